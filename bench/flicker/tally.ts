/** What a sink counts, and how its parent asks for it over IPC. */
import type { SinkCounts, SinkMessage, SinkOrder } from './process';

/** Since the last reset. `first` and `last`: when bytes came. */
export const tally = { events: 0, bytes: 0, requests: 0, first: 0, last: 0, mark: Buffer.from('?') };
let cpu = process.cpuUsage();

function reset(mark: string): void {
  Object.assign(tally, { events: 0, bytes: 0, requests: 0, first: 0, last: 0, mark: Buffer.from(mark) });
  cpu = process.cpuUsage();
}

function counts(): SinkCounts {
  const { events, bytes, requests, first, last } = tally;
  const { user, system } = process.cpuUsage(cpu);
  return { events, bytes, requests, seconds: (last - first) / 1000, cpu: (user + system) / 1e6 };
}

/** Bytes have come. */
export function arrived(): void {
  tally.last = performance.now();
  if (tally.first === 0) tally.first = tally.last;
}

/** How often a mark is in a piece. */
export function marksIn(piece: Buffer, mark: Buffer = tally.mark): number {
  let found = 0;
  for (let at = piece.indexOf(mark); at !== -1; at = piece.indexOf(mark, at + mark.length)) found++;
  return found;
}

export function tell(message: SinkMessage): void {
  process.send?.(message);
}

/** Answers the parent from now on, and ends with it. */
export function answerParent(): void {
  process.on('message', ({ reset: mark }: SinkOrder) => {
    if (mark !== undefined) reset(mark);
    tell({ counts: counts() });
  });
  process.on('disconnect', () => process.exit());
}
