import type { HaTiming } from '../../contract/high-availability';
import { REGISTRY_OPERATOR } from '../../contract/registry';
import { parseDocument, type Lease } from '../../runtime/registry/format';
import { termOf } from './standby-program';

/** How long requests of a calm network take, and a tick of the program. */
export const CALM_SLACK_MS = 700;

/** When each write of a term was sent, by its seq. */
type Sends = Map<number, number>;

/**
 * Watches who works under which lease. What begins new work must hold the newest lease, and have started its last good
 * save less than a deadline ago; a standby takes over within its bound (I5).
 */
export class Leadership {
  readonly #sends = new Map<string, Sends>();
  readonly #renewed = new Map<string, number>();
  newest: Lease | undefined;
  committedAt = 0;
  takeovers = 0;

  constructor(
    readonly now: () => number,
    readonly timing: HaTiming,
    readonly broken: (text: string) => void,
  ) {}

  get holder(): string | undefined {
    return this.newest && this.newest.owner !== REGISTRY_OPERATOR ? termOf(this.newest.owner) : undefined;
  }

  /** A term sends a write. */
  sending(body: Uint8Array): void {
    const lease = leaseOf(body);
    if (!lease) return;
    const sends = this.#sends.get(lease.owner) ?? new Map<number, number>();
    if (!sends.has(lease.seq)) sends.set(lease.seq, this.now());
    this.#sends.set(lease.owner, sends);
  }

  /** A write has landed. */
  committed(body: Uint8Array): void {
    const lease = leaseOf(body);
    if (!lease) return;
    const sent = this.#sends.get(lease.owner)?.get(lease.seq);
    if (sent !== undefined) this.#renewed.set(lease.owner, Math.max(sent, this.#renewed.get(lease.owner) ?? sent));
    if (this.newest && lease.owner !== this.newest.owner && lease.owner !== REGISTRY_OPERATOR) this.takeovers++;
    this.newest = lease;
    this.committedAt = this.now();
  }

  /** A term begins something new: a poll, a request to the destination. */
  works(term: string): void {
    const { deadline_ms, clock_drift } = this.timing;
    const owner = `owner-of-${term}`;
    const renewed = this.#renewed.get(owner);
    const age = this.now() - (renewed ?? Number.NEGATIVE_INFINITY);
    if (age > deadline_ms * (1 + 2 * clock_drift)) {
      this.broken(`D ${term} works ${age.toFixed(0)} ms after its last good save was started`);
    }
    const { newest } = this;
    if (newest && newest.owner !== owner && newest.owner !== REGISTRY_OPERATOR) {
      this.broken(`T ${term} works beside ${termOf(newest.owner)}, which holds epoch ${newest.epoch}`);
    }
  }
}

function leaseOf(body: Uint8Array): Lease | undefined {
  const parsed = parseDocument(body);
  return parsed.kind === 'current' ? parsed.document.lease : undefined;
}
