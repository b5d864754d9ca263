import { startPages, type Pages, type PagesOptions } from '../../../../../dev/vendors/pages';
import { apiConfig, Harness } from './harness';

/** Now, for a source, unless a test says otherwise. */
export const NOW = Date.parse('2026-03-01T12:00:00Z');
export const open: { stop?(): Promise<void>; close?(): Promise<void> }[] = [];

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await (one.stop?.() ?? one.close?.());
});

/** An API on loopback. */
export async function serve(options?: PagesOptions): Promise<Pages> {
  const pages = await startPages(options);
  open.push(pages);
  return pages;
}

/** A source; it and the servers end with the test. */
export function run(
  config: Parameters<typeof apiConfig>[0],
  batch?: ConstructorParameters<typeof Harness>[1],
  now = NOW,
  legacy?: unknown,
) {
  const harness = new Harness(apiConfig(config), batch, now, legacy);
  open.push(harness);
  return harness;
}

export const event = (id: number, time = NOW + id * 1000) => ({ time, body: { id, time, text: `event ${id}` } });
export const offset = {
  pagination_type: 'offset',
  offset_param: 'offset',
  limit_param: 'limit',
  page_size: 2,
} as const;
