import type { Clock } from '../../runtime/core/clock';

interface Timer {
  readonly at: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Where the wall clock of a simulation begins. */
const START = Date.UTC(2024, 0, 1);

/** Time that only passes when nothing else can happen. */
export class VirtualTime {
  now = 0;
  readonly #timers: Timer[] = [];
  #order = 0;

  /** Calls `fire` after `ms`; gives a function that calls it off. */
  after(ms: number, fire: () => void): () => void {
    const timer: Timer = { at: this.now + Math.max(0, ms), order: this.#order++, fire, cancelled: false };
    let index = this.#timers.length;
    while (index > 0 && later(this.#timers[index - 1], timer)) index--;
    this.#timers.splice(index, 0, timer);
    return () => {
      timer.cancelled = true;
    };
  }

  /** Lets `ms` pass, or less when `done` comes true. Tells whether it did. */
  async run(ms: number, done: () => boolean = () => false): Promise<boolean> {
    const until = this.now + ms;
    for (;;) {
      await settled();
      if (done()) return true;
      while (this.#timers[0]?.cancelled) this.#timers.shift();
      const next = this.#timers[0];
      if (!next || next.at > until) {
        this.now = until;
        return false;
      }
      this.#timers.shift();
      this.now = next.at;
      next.fire();
    }
  }
}

function later(a: Timer | undefined, b: Timer): boolean {
  return a !== undefined && (a.at > b.at || (a.at === b.at && a.order > b.order));
}

/** Every promise and stream that can go on has gone on: nothing here waits for the real world. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * One process on the simulated machines. Killed: nothing happens in it any more, its promises stay open. Paused: what
 * would happen happens when it goes on.
 */
export class SimProcess {
  alive = true;
  #pausedUntil = 0;
  readonly clock: Clock;
  /** Added to the wall clock by who sets it. */
  #wallOffset = 0;
  /** How long the machine was suspended: its monotonic clock stood still. */
  #suspended = 0;

  constructor(
    readonly time: VirtualTime,
    readonly name: string,
    /** How fast its clocks run: 1.01 gains 1 %. */
    readonly rate = 1,
  ) {
    this.clock = {
      now: () => START + time.now * rate + this.#wallOffset,
      monotonic: () => time.now * rate - this.#suspended,
      // Whole milliseconds: fractions would round to no time at all.
      sleep: (ms, signal) => this.#sleep(Math.ceil(ms / rate), signal),
    };
  }

  /** Sets the wall clock forward or back. */
  jump(ms: number): void {
    // A machine that is suspended and whose clock is set back within the same seconds has no clock at all.
    if (this.#suspended === 0) this.#wallOffset += ms;
  }

  /** A pause that its monotonic clock does not count. */
  suspend(ms: number): void {
    if (this.paused || this.#wallOffset !== 0) return;
    this.pause(ms);
    this.#suspended += ms * this.rate;
  }

  kill(): void {
    this.alive = false;
  }

  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.time.now + ms);
  }

  get paused(): boolean {
    return this.time.now < this.#pausedUntil;
  }

  /** Something that happens in this process: a timer, an answer that arrives. */
  after(ms: number, fire: () => void): () => void {
    let cancelled = false;
    const attempt = () => {
      if (!this.alive || cancelled) return;
      if (this.paused) this.time.after(this.#pausedUntil - this.time.now, attempt);
      else fire();
    };
    this.time.after(ms, attempt);
    return () => {
      cancelled = true;
    };
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        cancel();
        reject(signal?.reason);
      };
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      signal?.addEventListener('abort', abort, { once: true });
    });
  }
}
