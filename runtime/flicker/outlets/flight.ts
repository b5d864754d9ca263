import type { Commits } from '../commits';

/**
 * What could be written into the state of what became of a batch so far. `nothing`: no destination has any of it.
 * `noted`: who has what of it. `unknown`: somebody has some of it, which cannot be told.
 */
export type Progress = 'nothing' | 'noted' | 'unknown';

/**
 * The room that a batch under way takes among the events that are sent and not saved. While every destination that still
 * wants it only waits for its next attempt, the room is others': a destination that is down must not keep healthy sources
 * from sending.
 */
export class Flight {
  private held = 0;
  private waiting = 0;
  private taking: Promise<void> | undefined;

  /** @param open how many destinations want the batch; `note` is called when all of them wait, and at the end */
  constructor(
    private readonly commits: Commits,
    private readonly events: number,
    private open: number,
    private readonly note: () => Progress,
  ) {}

  /** Takes the room, unless it is held. @throws the signal's reason, LeaseEndedError */
  async take(signal: AbortSignal): Promise<void> {
    if (this.held > 0) return;
    this.taking ??= this.commits
      .reserve(this.events, signal)
      .then(() => {
        this.held = this.events;
      })
      .finally(() => {
        this.taking = undefined;
      });
    await this.taking;
  }

  /** One destination waits between two attempts. What `sleep` throws is thrown, without the room. */
  async pause(sleep: () => Promise<void>, signal: AbortSignal): Promise<void> {
    this.waiting++;
    this.rest();
    try {
      await sleep();
    } finally {
      this.waiting--;
    }
    await this.take(signal);
  }

  /** One destination has it. */
  finished(): void {
    this.open--;
    this.rest();
  }

  /** The state covers the batch now. */
  settle(): void {
    this.commits.acknowledged(this.held);
    this.held = 0;
  }

  /** The batch is given up: it is read again. */
  abandon(): void {
    if (this.note() === 'noted') this.commits.acknowledged(this.held);
    else if (this.held > 0) this.commits.returned(this.held);
    this.held = 0;
  }

  private rest(): void {
    if (this.open === 0 || this.waiting < this.open || this.held === 0) return;
    const progress = this.note();
    if (progress === 'unknown') return;
    if (progress === 'noted') this.commits.acknowledged(this.held);
    else this.commits.returned(this.held);
    this.held = 0;
  }
}
