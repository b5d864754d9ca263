import type { ReceivedRecord } from './receiver';

/** What a run sent and received, event by event. */
export class Ledger {
  private readonly sent = new Set<string>();
  /** Per event: how often it was accepted, in which life first and last, and under which id. */
  private readonly accepted = new Map<string, { times: number; life: number; id: string | undefined }>();
  private readonly parked = new Set<string>();
  /** Events accepted again in a later life, by the life that had sent them before. */
  readonly repeatedAfterKill: number[] = [];
  /** Events accepted again in the same life. */
  repeatedInLife = 0;
  /** Events whose answers were lost on purpose and that may be repeated in the same life. */
  private readonly mayRepeat = new Set<string>();
  readonly problems: string[] = [];
  life = 0;

  /** @param eventOf names the event of a record. @default the last word of its line */
  constructor(
    private readonly eventOf: (record: ReceivedRecord) => string | undefined = ({ line }) => lastWord(line),
  ) {}

  send(event: string): void {
    this.sent.add(event);
  }

  accept(records: readonly ReceivedRecord[], answerLost: boolean): void {
    for (const record of records) {
      const { line, id } = record;
      const event = this.eventOf(record);
      if (!event || !this.sent.has(event)) {
        this.problems.push(`received what was never sent: ${line.slice(0, 80)}`);
        continue;
      }
      const before = this.accepted.get(event);
      if (!before) this.accepted.set(event, { times: 1, life: this.life, id });
      else {
        if (before.id !== id) this.problems.push(`${event} came with the ids ${before.id} and ${id}`);
        if (before.life < this.life) {
          // What a life had sent and not saved when it was killed: it may be repeated several lives later.
          this.repeatedAfterKill[before.life] = (this.repeatedAfterKill[before.life] ?? 0) + 1;
        } else {
          this.repeatedInLife++;
          if (!this.mayRepeat.has(event)) this.problems.push(`${event} was repeated in one life without a reason`);
        }
        before.times++;
        before.life = this.life;
      }
      if (answerLost) this.mayRepeat.add(event);
      else this.mayRepeat.delete(event);
    }
  }

  park(line: string): void {
    const event = lastWord(line);
    if (event) this.parked.add(event);
  }

  get counts() {
    const missing = [...this.sent].filter((event) => !this.accepted.has(event) && !this.parked.has(event));
    return {
      sent: this.sent.size,
      accepted: this.accepted.size,
      parked: this.parked.size,
      missing,
      repeatedInLife: this.repeatedInLife,
      repeatedAfterKills: this.repeatedAfterKill.reduce((sum, count) => sum + (count ?? 0), 0),
      mostAfterOneKill: Math.max(0, ...this.repeatedAfterKill.filter((count) => count !== undefined)),
    };
  }

  /** Whether every event of the log up to this one has arrived; events arrive in order. */
  arrived(event: string): boolean {
    return this.accepted.has(event) || this.parked.has(event);
  }

  /** Events that have not been accepted. */
  get outstanding(): number {
    return this.sent.size - this.accepted.size;
  }
}

/** A log line ends in its event; an API event may be its id and nothing else. */
export function lastWord(line: string): string | undefined {
  return /(?:^|\s)([\w-]+)$/.exec(line)?.[1];
}
