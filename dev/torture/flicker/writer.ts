import { appendFileSync, copyFileSync, existsSync, renameSync, statSync, truncateSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../sim/random';

const KEPT = 6;

/** A log that grows in bursts and is rotated by rename or by copy and truncate. */
export class LogWriter {
  readonly path: string;
  private number = 0;
  /** Last event of each file, the newest rotated one first. */
  private readonly lastEvents: number[] = [];

  constructor(
    private readonly folder: string,
    private readonly onEvent: (event: string) => void,
    private readonly random: Random,
    private readonly onRotated: (text: string) => void,
  ) {
    this.path = join(folder, 'app.log');
  }

  /** Appends lines; every now and then one is written in two halves, as a program that buffers does. */
  append(lines: number): void {
    let text = '';
    for (let i = 0; i < lines; i++) {
      const event = `f${++this.number}`;
      this.onEvent(event);
      text += `${'x'.repeat(Math.floor(this.random.next() * 150))} "quoted" \\ ü ${event}\n`;
    }
    const cut = this.random.chance(0.3) ? this.random.int(0, text.length) : text.length;
    appendFileSync(this.path, text.slice(0, cut));
    appendFileSync(this.path, text.slice(cut));
  }

  /** The event that must have arrived before the next rotation, which deletes the oldest file. */
  get dueBeforeRotation(): string | undefined {
    const last = this.lastEvents[KEPT - 1];
    return last === undefined ? undefined : `f${last}`;
  }

  /** Rotates; the rotated file is `app.log.1`, and the oldest is deleted. */
  rotate(): 'rename' | 'copytruncate' {
    this.lastEvents.unshift(this.number);
    this.lastEvents.splice(KEPT);
    for (let n = KEPT; n >= 1; n--) {
      const from = this.rotated(n);
      if (!existsSync(from)) continue;
      if (n === KEPT) unlinkSync(from);
      else renameSync(from, this.rotated(n + 1));
    }
    const how = this.random.chance(0.5) ? 'rename' : 'copytruncate';
    if (how === 'rename') {
      renameSync(this.path, this.rotated(1));
      appendFileSync(this.path, '');
    } else {
      copyFileSync(this.path, this.rotated(1));
      truncateSync(this.path, 0);
    }
    this.onRotated(`rotated by ${how} after f${this.number}: inode ${statSync(this.rotated(1)).ino} is app.log.1`);
    return how;
  }

  private rotated(n: number): string {
    return join(this.folder, `app.log.${n}`);
  }
}
