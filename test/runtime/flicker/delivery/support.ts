import type { RetryConfig } from '../../../../contract/flicker';
import type { Clock } from '../../../../runtime/core/clock';
import type { LogFields, Logger } from '../../../../runtime/core/log';
import type { Answer, DeadLetter, DeadLetters, Destination, Shipment } from '../../../../runtime/flicker/destination';
import { createFlickerMetrics } from '../../../../runtime/flicker/metrics';

/** Time that passes only where somebody sleeps. */
export class VirtualClock implements Clock {
  readonly sleeps: number[] = [];
  private time = 0;
  /** Called before each sleep. */
  onSleep: (ms: number) => void = () => {};

  now = () => Date.parse('2026-01-01T00:00:00Z') + this.time;
  monotonic = () => this.time;
  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.onSleep(ms);
    await Promise.resolve();
    signal?.throwIfAborted();
    this.sleeps.push(ms);
    this.time += ms;
  }
}

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly message: string;
  readonly fields: LogFields | undefined;
}

export function recordingLog(): { lines: LogLine[]; log: Logger } {
  const lines: LogLine[] = [];
  const at = (level: string) => (event: string, message: string, fields?: LogFields) =>
    void lines.push({ level, event, message, fields });
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}

const linesOf = ({ records }: Pick<Shipment, 'records'>): string[] =>
  (JSON.parse(String(records.body('array'))) as { line: string }[]).map(({ line }) => line);

/** A destination that answers as told, the last answer for ever, and keeps what it was sent. */
export function scripted(answers: readonly Answer[]) {
  const sent: string[][] = [];
  const destination: Destination = {
    label: 'scripted',
    layout: 'array',
    send: (shipment, signal) => {
      if (signal.aborted) return Promise.reject(signal.reason as Error);
      sent.push(linesOf(shipment));
      const answer = answers[Math.min(sent.length, answers.length) - 1] ?? { kind: 'accepted' };
      return Promise.resolve(answer);
    },
    close: () => Promise.resolve(),
  };
  return { destination, sent };
}

/** Dead letters in memory; the first `failures` writes fail. */
export function keptLetters(failures = 0) {
  const letters: (Omit<DeadLetter, 'records'> & { lines: string[] })[] = [];
  let left = failures;
  const deadLetters: DeadLetters = {
    write: ({ records, ...letter }) => {
      if (left-- > 0) return Promise.reject(new Error('the bucket is away'));
      letters.push({ ...letter, lines: linesOf({ records }) });
      return Promise.resolve(`letter ${letters.length}`);
    },
  };
  return { letters, deadLetters };
}

export const retry: RetryConfig = { max_retries: 3, initial_delay_ms: 1000, max_delay_ms: 60_000, max_queue_size: 100 };

export function surroundings() {
  const clock = new VirtualClock();
  const { lines, log } = recordingLog();
  const { metrics } = createFlickerMetrics();
  const stop = new AbortController();
  return {
    clock,
    lines,
    stop,
    context: { destinationName: 'scripted', retry, clock, log, metrics, random: () => 1, signal: stop.signal },
  };
}

export const accepted: Answer = { kind: 'accepted' };
export const refused: Answer = { kind: 'refused', reason: 'answered 400' };
export const tooLarge: Answer = { kind: 'too-large', reason: 'answered 413' };
export const blocked: Answer = { kind: 'blocked', reason: 'answered 401' };
export const retryAnswer = (over: Partial<Extract<Answer, { kind: 'retry' }>> = {}): Answer => ({
  kind: 'retry',
  reason: 'answered 503',
  uncertain: false,
  ...over,
});
