import type { Config } from '../config/config.ts';
import type { ReportEndpoint } from './outbox.ts';

/** Every endpoint that hears of a cycle, each once: the file manager, the reference API, and the further ones. */
export const reportEndpoints = (config: Config): ReportEndpoint[] => {
  const token = config.optional('FILE_MANAGER_TOKEN');
  const reportOf = (base: string): string => `${base.replace(/\/+$/, '')}/report`;
  const fileManager = config.optional('FILE_MANAGER_API_URL');
  const mock = config.optional('MOCK_API_URL');
  const endpoints = new Map<string, ReportEndpoint>();
  for (const url of config.urls('REPORT_URLS')) endpoints.set(url, { url });
  if (mock) endpoints.set(reportOf(mock), { url: reportOf(mock) });
  if (fileManager)
    endpoints.set(reportOf(fileManager), { url: reportOf(fileManager), ...(token !== undefined && { token }) });
  return [...endpoints.values()];
};
