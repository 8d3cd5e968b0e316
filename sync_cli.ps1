# s3-sync: in the container when the compose stack is up, on this machine otherwise. Arguments, standard input and the
# exit code stay as they are. Windows PowerShell 5.1 drops double quotes within an argument; PowerShell 7.3 keeps them.
$here = $PSScriptRoot
$PSNativeCommandArgumentPassing = 'Standard'

$running = $null
if (Get-Command docker -ErrorAction SilentlyContinue) {
  $running = docker compose --project-directory $here ps --quiet --status running sync-service 2>$null
}

if ($running) {
  $command = 'docker'
  $first = @('compose', '--project-directory', $here, 'exec')
  if ([Console]::IsInputRedirected -or [Console]::IsOutputRedirected) { $first += '--no-TTY' }
  $first += @('sync-service', 's3-sync')
} else {
  if (-not (Test-Path (Join-Path $here 'node_modules/.bin/node'))) {
    [Console]::Error.WriteLine("s3-sync: its packages are not installed in ${here}: run 'npm ci' there first")
    exit 2
  }
  $env:PATH = (Join-Path $here 'node_modules/.bin') + [IO.Path]::PathSeparator + $env:PATH
  $command = 'node'
  $first = @('--max-semi-space-size=16', (Join-Path $here 'src/cli.ts'))
}

if ($MyInvocation.ExpectingInput) { $input | & $command @first @args } else { & $command @first @args }
exit $LASTEXITCODE
