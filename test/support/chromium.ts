import { chromiumBinary } from './installed.ts';

export type Chromium = { readonly executablePath: string; stop(): Promise<void> };

/** Where the browser is; playwright-core starts and ends it. */
export const startChromium = async (): Promise<Chromium> => {
  const executablePath = chromiumBinary();
  if (executablePath === undefined) throw new Error('Chromium is not installed');
  return { executablePath, stop: async () => undefined };
};
