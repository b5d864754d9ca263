import type { LeaseEnd } from '../../runtime/registry/errors';
import { parseDocument, type Lease } from '../../runtime/registry/format';
import { positionsOf, type Positions } from './program';

export interface WorldFigures {
  readonly commits: number;
  readonly epochs: number;
  /** Events that arrived again from another process. */
  readonly repeated: number;
  /** Events that arrived again from the same process, after an answer was lost. */
  readonly resent: number;
}

/** What one process has done, as the world saw it. */
interface Account {
  /** Where the sources stood when it won the lease, then what it has committed. */
  committed: Record<string, number>;
  /** The end of what the destination has accepted from it. */
  accepted: Record<string, number>;
  readonly sends: Map<string, number>;
  readonly unanswered: Map<string, number>;
  ended: LeaseEnd | undefined;
  hadLease: boolean;
}

/**
 * Watches the world from outside the programs, and says when one of the invariants of the protocol is broken:
 * I1 a checkpoint never covers what the destination has not accepted; I2 checkpoints only grow; I3 an epoch has one owner;
 * I4 a fenced process writes nothing, and is fenced by a real owner; I6 a kill repeats at most the cap, and what counts as saved is; I8 nothing is sent
 * twice in an epoch unless its answer was lost.
 */
export class Invariants {
  readonly violations: string[] = [];
  #repeated = 0;
  #resent = 0;
  #commits = 0;
  readonly #sources: readonly string[];
  readonly #accounts = new Map<string, Account>();
  readonly #arrived = new Map<string, Set<string>>();
  readonly #prefix: Record<string, number>;
  readonly #owners = new Map<number, string>();
  #checkpoint: Record<string, number>;
  #newest: Lease | undefined;
  #mark: unknown;

  constructor(
    sources: Positions,
    readonly maxUnsavedEvents: number,
    readonly note: (text: string) => void,
  ) {
    this.#sources = Object.keys(sources);
    this.#prefix = Object.fromEntries(this.#sources.map((source) => [source, 0]));
    this.#checkpoint = { ...this.#prefix };
  }

  get checkpoint(): Positions {
    return this.#checkpoint;
  }

  get figures(): WorldFigures {
    return {
      commits: this.#commits,
      epochs: this.#owners.size,
      repeated: this.#repeated,
      resent: this.#resent,
    };
  }

  sending(process: string): void {
    if (this.#account(process).ended) this.#broken(`I4 ${process} sends a write after it was fenced`);
  }

  committed(process: string, body: Uint8Array): void {
    this.#commits++;
    const parsed = parseDocument(body);
    if (parsed.kind !== 'current') return this.#broken(`fields: ${process} commits something that is no registry`);
    const { lease, state } = parsed.document;
    const positions = positionsOf(state, this.#sources);
    for (const source of this.#sources) {
      const [to, before, arrived] = [positions[source] ?? 0, this.#checkpoint[source] ?? 0, this.#prefix[source] ?? 0];
      if (to > arrived) this.#broken(`I1 ${process} saves ${source} at ${to}, the destination has ${arrived}`);
      if (to < before) this.#broken(`I2 ${process} moves ${source} back from ${before} to ${to}`);
    }
    const owner = this.#owners.get(lease.epoch);
    if (owner !== undefined && owner !== lease.owner) {
      this.#broken(`I3 epoch ${lease.epoch} belongs to ${owner} and to ${lease.owner}`);
    }
    this.#owners.set(lease.epoch, lease.owner);
    if (lease.owner !== 'operator' && state['mark'] !== this.#mark)
      this.#broken(`fields: ${process} drops an unknown field`);
    this.#mark = state['mark'];
    const account = this.#account(process);
    // A write that was under way when a holder stopped by itself may land later, as long as nobody has taken over.
    if (account.ended?.kind === 'fenced') this.#broken(`I4 ${process} commits after it was fenced`);
    if (this.#newest && lease.epoch === this.#newest.epoch && lease.seq <= this.#newest.seq) {
      this.#broken(`seq: ${process} commits seq ${lease.seq} of epoch ${lease.epoch} after ${this.#newest.seq}`);
    }
    if (!account.hadLease) account.accepted = { ...positions };
    account.hadLease = true;
    account.committed = positions;
    this.#newest = lease;
    this.#checkpoint = positions;
  }

  /** A process counts a state as saved. */
  believesSaved(process: string, positions: Positions): void {
    const { committed } = this.#account(process);
    for (const [source, position] of Object.entries(positions)) {
      if (position > (committed[source] ?? 0)) {
        this.#broken(`I6 ${process} counts ${source} as saved up to ${position}, stored is ${committed[source]}`);
      }
    }
  }

  ended(process: string, end: LeaseEnd): void {
    const account = this.#account(process);
    account.ended = end;
    const { owner, epoch } = this.#newest ?? { owner: '', epoch: 0 };
    if (end.kind === 'expired') return;
    if (end.kind === 'lost') this.#broken(`I4 ${process} calls the registry lost: ${end.reason}`);
    else if (this.#owners.get(end.by.epoch) !== end.by.owner || owner === `owner-of-${process}`) {
      this.#broken(`I4 ${process} says it is fenced by ${end.by.owner}, but ${owner} holds epoch ${epoch}`);
    }
  }

  sent(process: string, source: string, from: number, to: number): void {
    const { sends, unanswered } = this.#account(process);
    for (let event = from; event < to; event++) {
      const id = `${source}/${event}`;
      const before = sends.get(id) ?? 0;
      if (before > (unanswered.get(id) ?? 0)) this.#broken(`I8 ${process} sends ${id} again though it was answered`);
      sends.set(id, before + 1);
    }
  }

  arrived(process: string, source: string, from: number, to: number): void {
    const account = this.#account(process);
    for (let event = from; event < to; event++) {
      const id = `${source}/${event}`;
      const by = this.#arrived.get(id) ?? new Set();
      if (by.has(process)) this.#resent++;
      else if (by.size > 0) this.#repeated++;
      this.#arrived.set(id, by.add(process));
      if (this.#prefix[source] === event) this.#prefix[source] = event + 1;
    }
    account.accepted[source] = Math.max(account.accepted[source] ?? 0, to);
    const unsaved = this.#sources.reduce(
      (sum, name) => sum + Math.max(0, (account.accepted[name] ?? 0) - (account.committed[name] ?? 0)),
      0,
    );
    if (unsaved > this.maxUnsavedEvents) {
      this.#broken(`I6 ${process} has ${unsaved} events at the destination that no save covers`);
    }
  }

  /** The answer to a send did not arrive, or was a refusal. */
  unanswered(process: string, source: string, from: number, to: number): void {
    const { unanswered } = this.#account(process);
    for (let event = from; event < to; event++) {
      const id = `${source}/${event}`;
      unanswered.set(id, (unanswered.get(id) ?? 0) + 1);
    }
  }

  /** When all is calm: everything has arrived, everything is saved, and no more was repeated than kills allow. */
  finish(sources: Positions): void {
    for (const [source, length] of Object.entries(sources)) {
      if (this.#prefix[source] !== length)
        this.#broken(`I1 ${source} arrived up to ${this.#prefix[source]} of ${length}`);
      if (this.#checkpoint[source] !== length) {
        this.#broken(`I2 ${source} is saved up to ${this.#checkpoint[source]} of ${length}`);
      }
    }
    const superseded = [...this.#accounts.values()].filter(({ hadLease }) => hadLease).length - 1;
    if (this.#repeated > superseded * this.maxUnsavedEvents) {
      this.#broken(`I6 ${this.#repeated} events repeated after ${superseded} kills and takeovers`);
    }
  }

  #account(process: string): Account {
    let account = this.#accounts.get(process);
    if (!account) {
      account = {
        committed: {},
        accepted: {},
        sends: new Map(),
        unanswered: new Map(),
        ended: undefined,
        hadLease: false,
      };
      this.#accounts.set(process, account);
    }
    return account;
  }

  #broken(text: string): void {
    this.violations.push(text);
    this.note(`BROKEN: ${text}`);
  }
}
