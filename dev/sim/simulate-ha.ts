import { haProblems, takeoverBounds, type HaTiming } from '../../contract/high-availability';
import { REGISTRY_OPERATOR } from '../../contract/registry';
import { parseDocument, serializeDocument } from '../../runtime/registry/format';
import { Invariants, type WorldFigures } from './invariants';
import type { Transport } from './client';
import { CALM_SLACK_MS, Leadership } from './leadership';
import { deliver, type Delivery, type Fate, type Network } from './network';
import type { Positions, SendAnswer } from './program';
import { quickStore } from './quick-store';
import { seededRandom } from './random';
import { SimS3, type S3Response } from './s3';
import { loggerTo, SIM_KEY as KEY, type Sabotage } from './sabotage';
import { startStandbyProgram, termOf, type StandbyProgram } from './standby-program';
import { SimProcess, VirtualTime } from './time';

/** Timing of the simulated shippers: short, so that a schedule holds many takeovers. */
export const simTiming: HaTiming = {
  renew_ms: 2_000,
  deadline_ms: 5_000,
  lease_ms: 8_000,
  poll_ms: 2_000,
  abort_ms: 1_000,
  attempt_timeout_ms: 1_500,
  clock_drift: 0.02,
};
const TROUBLE_MS = 60_000;
const CALM_MS = 300_000;

/** Ways to break the parts from outside. */
export interface HaSabotage extends Sabotage {
  /** What the programs believe of the timing; the invariants keep to the true one. */
  readonly timing?: Partial<HaTiming>;
}

export interface HaFigures extends WorldFigures {
  readonly starts: number;
  readonly kills: number;
  readonly pauses: number;
  readonly partitions: number;
  readonly jumps: number;
  readonly edits: number;
  readonly stops: number;
  readonly fenced: number;
  readonly expired: number;
  readonly takeovers: number;
  readonly measured: number;
  readonly fates: ReadonlyMap<Fate, number>;
}

export interface HaResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly figures: HaFigures;
}

interface Replica {
  readonly process: SimProcess;
  readonly program: StandbyProgram;
  readonly startedAt: number;
  cutOffUntil: number;
}

/** Plays one schedule of two to five replicas on one registry. The same seed plays the same one. */
export async function simulateHa(seed: number, sabotage: HaSabotage = {}, traced = false): Promise<HaResult> {
  if (haProblems(simTiming).length > 0) throw new Error(haProblems(simTiming).join('; '));
  const random = seededRandom(seed);
  const time = new VirtualTime();
  const s3 = new SimS3();
  const trace: string[] = [];
  const note = (text: string) => {
    if (traced) trace.push(`${(time.now / 1_000).toFixed(3).padStart(8)} ${text}`);
  };
  const network: Network = { trouble: random.pick([0, 0.05, 0.2, 0.4]), met: new Map() };
  const sources: Positions = Object.fromEntries(
    Array.from({ length: random.int(1, 2) }, (_, index) => [`source${index}`, random.int(80, 200)]),
  );
  const maxUnsavedEvents = random.int(16, 60);
  const replicas: (Replica | undefined)[] = Array.from({ length: random.int(2, 5) });
  const world = new Invariants(sources, maxUnsavedEvents, note);
  const broken = (text: string) => {
    world.violations.push(text);
    note(`BROKEN: ${text}`);
  };
  const leadership = new Leadership(() => time.now, simTiming, broken);
  const counts = {
    starts: 0,
    kills: 0,
    pauses: 0,
    partitions: 0,
    jumps: 0,
    edits: 0,
    stops: 0,
    fenced: 0,
    expired: 0,
    measured: 0,
  };
  s3.onCommit = (_key, body) => {
    const owner = ownerIn(body);
    world.committed(owner === REGISTRY_OPERATOR ? owner : termOf(owner), body);
    leadership.committed(body);
    note(`stored, by ${owner}: ${JSON.stringify(world.checkpoint)}`);
  };
  const delivery: Delivery = {
    network,
    random,
    trace: note,
    execute: (request) => s3.handle(sabotage.request?.(request) ?? request),
  };

  const send = (replica: SimProcess, term: string, source: string, from: number, to: number) => {
    leadership.works(term);
    world.sent(term, source, from, to);
    const answer: SendAnswer = random.chance(network.trouble / 3) ? random.pick(['refused', 'lost']) : 'accepted';
    if (answer !== 'accepted') world.unanswered(term, source, from, to);
    return new Promise<SendAnswer>((resolve) => {
      time.after(random.int(5, 60), () => {
        if (answer === 'accepted' || (answer === 'lost' && random.chance(0.5))) world.arrived(term, source, from, to);
        replica.after(random.int(5, 60), () => resolve(answer));
      });
    });
  };

  const start = (index: number) => {
    const drift = simTiming.clock_drift;
    const process = new SimProcess(time, `p${++counts.starts}`, 1 + drift * (2 * random.next() - 1));
    note(`${process.name} starts`);
    const replica: Pick<Replica, 'cutOffUntil'> = { cutOffUntil: 0 };
    const transport: Transport = (request, signal) => {
      if (request.method === 'PUT') {
        world.sending(termOf(ownerIn(request.body)));
        leadership.sending(request.body);
      }
      return time.now < replica.cutOffUntil
        ? cutOff(process, signal, random.chance(0.5))
        : deliver(delivery, process, request, signal);
    };
    const store = quickStore('state', KEY, transport);
    const program = startStandbyProgram({
      process,
      store: sabotage.store?.(store) ?? store,
      random,
      log: loggerTo((text) => note(`${process.name}: ${text}`)),
      ha: { ...simTiming, ...sabotage.timing },
      sources,
      maxUnsavedEvents,
      longestPauseMs: 2_000,
      saved: sabotage.saved,
      begin: (term) => ({
        send: (source, from, to) => send(process, term, source, from, to),
        onSaved: (positions) => world.believesSaved(term, positions),
        onEnd: (end) => {
          if (end.kind === 'expired') counts.expired++;
          else counts.fenced++;
          note(`${term} ends: ${end.kind}`);
          world.ended(term, end);
        },
      }),
      onEnd: (error) => {
        note(`${process.name} exits: ${error.message}`);
        process.kill(); // as at its start without S3; the platform starts another one
      },
    });
    replicas[index] = Object.assign(replica, { process, program, startedAt: time.now });
  };
  const living = () => replicas.flatMap((replica) => (replica?.process.alive ? [replica] : []));
  const fill = () => {
    for (const [index, replica] of replicas.entries()) if (!replica?.process.alive) start(index);
  };
  const kill = ({ process }: Replica) => {
    note(`${process.name} is killed`);
    counts.kills++;
    process.kill();
  };
  const edit = () => {
    const stored = s3.get(KEY);
    const parsed = stored && parseDocument(stored);
    if (parsed?.kind !== 'current') return;
    const { lease, state } = parsed.document;
    counts.edits++;
    const edited = { ...lease, epoch: lease.epoch + 1, seq: lease.seq + 1, owner: REGISTRY_OPERATOR, host: 'desk' };
    const released = random.chance(0.5) ? { state: 'released' as const } : {};
    s3.put(
      KEY,
      serializeDocument({
        ...parsed.document,
        lease: { ...edited, ...released },
        state: { ...state, mark: counts.edits },
      }),
    );
  };
  const act = () => {
    const deed = random.weighted({
      kill: 4,
      stop: 3,
      pause: 4,
      suspend: 2,
      jump: 3,
      cut: 4,
      edit: 1,
      calm: 1,
      storm: 1,
    });
    const alive = living();
    // Half of what happens meets the holder.
    const holder = alive.find(({ process }) => leadership.holder?.startsWith(`${process.name}.`));
    const victim = holder && random.chance(0.5) ? holder : alive[random.int(0, Math.max(0, alive.length - 1))];
    if (deed === 'edit') return edit();
    if (deed === 'calm') return void (network.trouble = 0.02);
    if (deed === 'storm') return void (network.trouble = 0.6);
    if (!victim) return;
    if (deed === 'kill') return kill(victim);
    note(`${deed} ${victim.process.name}`);
    switch (deed) {
      case 'stop':
        counts.stops++;
        return victim.program.stop();
      case 'pause':
        counts.pauses++;
        return victim.process.pause(random.int(500, 20_000));
      case 'suspend':
        counts.pauses++;
        return victim.process.suspend(random.int(500, 20_000));
      case 'jump':
        counts.jumps++;
        return victim.process.jump(random.int(-3_600_000, 3_600_000));
      case 'cut':
        counts.partitions++;
        victim.cutOffUntil = time.now + random.int(1_000, 25_000);
    }
  };

  fill();
  while (time.now < TROUBLE_MS) {
    await time.run(random.int(1_000, 8_000));
    act();
    if (random.chance(0.7)) fill();
  }
  network.trouble = 0;
  note('calm');
  await time.run(30_000); // what was paused or cut off is back
  fill();

  /** The holder goes; a standby that has been watching must take over in time (I5). */
  const measure = async (way: 'kill' | 'stop') => {
    const settledIn = () => leadership.newest?.state === 'held' && leadership.holder !== undefined;
    await time.run(60_000, settledIn);
    // Its standbys have seen its last saves.
    await time.run(random.int(simTiming.lease_ms, simTiming.lease_ms + simTiming.renew_ms));
    const holder = living().find(({ process }) => leadership.holder?.startsWith(`${process.name}.`));
    const watching = living().filter(({ startedAt }) => time.now - startedAt > simTiming.poll_ms);
    if (!holder || watching.length < 2) return;
    counts.measured++;
    const before = leadership.newest?.epoch ?? 0;
    const from = time.now;
    if (way === 'kill') kill(holder);
    else holder.program.stop();
    const { crashMs, cleanMs } = takeoverBounds(simTiming, CALM_SLACK_MS);
    const bound = (way === 'kill' ? crashMs : cleanMs) * (1 + 2 * simTiming.clock_drift);
    const inTime = await time.run(bound, () => (leadership.newest?.epoch ?? 0) > before);
    note(`taken over after ${(time.now - from).toFixed(0)} ms`);
    if (!inTime) broken(`I5 nobody has taken over ${bound.toFixed(0)} ms after a ${way} of the holder`);
    fill();
  };
  await measure('kill');
  await measure('stop');

  const finished = () => living().some(({ program }) => program.finished());
  if (!(await time.run(CALM_MS, finished))) world.violations.push('nobody finishes though all is calm');
  world.finish(sources);
  for (const { process } of living()) process.kill();
  const figures = { ...counts, ...world.figures, takeovers: leadership.takeovers, fates: network.met };
  return { seed, violations: world.violations, trace, figures };
}

/** No request arrives, and none is refused either: it breaks off after a while, or hangs. */
function cutOff(process: SimProcess, signal: AbortSignal | undefined, hangs: boolean): Promise<S3Response> {
  return new Promise((_resolve, reject) => {
    const abort = () => reject(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal?.aborted) return abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (!hangs) process.after(200, () => reject(new Error('no route to host')));
  });
}

function ownerIn(body: Uint8Array): string {
  const parsed = parseDocument(body);
  return parsed.kind === 'current' ? parsed.document.lease.owner : '';
}
