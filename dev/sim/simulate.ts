import { parseDocument, serializeDocument } from '../../runtime/registry/format';
import { Invariants, type WorldFigures } from './invariants';
import { deliver, type Delivery, type Fate, type Network } from './network';
import { startProgram, type Positions, type Program, type SendAnswer } from './program';
import { seededRandom } from './random';
import { SimS3 } from './s3';
import { loggerTo, SIM_KEY as KEY, type Sabotage } from './sabotage';
import { slots, storeOf, warm } from './slots';
import { SimProcess, VirtualTime } from './time';

const TROUBLE_MS = 45_000;
const CALM_MS = 300_000;

export interface SimulationResult {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly trace: readonly string[];
  readonly figures: Figures;
}

/** What a schedule was made of. */
export interface Figures extends WorldFigures {
  readonly starts: number;
  readonly requests: number;
  readonly kills: number;
  readonly pauses: number;
  readonly stops: number;
  readonly edits: number;
  readonly fenced: number;
  readonly fates: ReadonlyMap<Fate, number>;
}

interface Instance {
  readonly process: SimProcess;
  readonly program: Program;
}

/** Plays one schedule of kills, pauses, takeovers and network trouble. The same seed plays the same one. */
export async function simulate(seed: number, sabotage: Sabotage = {}, traced = false): Promise<SimulationResult> {
  await warm;
  const random = seededRandom(seed);
  const time = new VirtualTime();
  const s3 = new SimS3();
  const trace: string[] = [];
  const note = (text: string) => {
    if (traced) trace.push(`${(time.now / 1_000).toFixed(3).padStart(8)} ${text}`);
  };
  const network: Network = { trouble: random.pick([0.05, 0.15, 0.3, 0.5]), met: new Map() };
  const sources: Positions = Object.fromEntries(
    Array.from({ length: random.int(1, 3) }, (_, index) => [`source${index}`, random.int(40, 110)]),
  );
  const maxUnsavedEvents = random.int(16, 60);
  const longestPauseMs = random.int(200, 2_000);
  const instances: (Instance | undefined)[] = slots.slice(0, random.int(2, 4)).map(() => undefined);
  const world = new Invariants(sources, maxUnsavedEvents, note);
  const counts = { starts: 0, requests: 0, kills: 0, pauses: 0, stops: 0, edits: 0, fenced: 0 };
  let writer = '';
  s3.mayList = random.chance(0.7);
  s3.onCommit = (_key, body) => {
    world.committed(writer, body);
    note(`stored, by ${writer}: ${JSON.stringify(world.checkpoint)}`);
  };
  const delivery: Delivery = {
    network,
    random,
    trace: note,
    execute: (request, process) => {
      writer = process.name;
      return s3.handle(sabotage.request?.(request) ?? request);
    },
  };

  const start = async (index: number) => {
    const slot = slots[index];
    if (!slot) throw new Error(`there is no slot ${index}`);
    const process = new SimProcess(time, `p${++counts.starts}`);
    note(`${process.name} starts`);
    slot.transport = (request, signal) => {
      counts.requests++;
      if (request.method === 'PUT') world.sending(process.name);
      return deliver(delivery, process, request, signal);
    };
    const store = await storeOf(slot);
    const program = startProgram({
      process,
      store: sabotage.store?.(store) ?? store,
      random,
      log: loggerTo((text) => note(`${process.name}: ${text}`)),
      sources,
      maxUnsavedEvents,
      longestPauseMs,
      saved: sabotage.saved,
      send: (source, from, to) => {
        world.sent(process.name, source, from, to);
        const answer: SendAnswer = random.chance(network.trouble / 3) ? random.pick(['refused', 'lost']) : 'accepted';
        if (answer !== 'accepted') world.unanswered(process.name, source, from, to);
        return new Promise((resolve) => {
          time.after(random.int(5, 60), () => {
            if (answer === 'accepted' || (answer === 'lost' && random.chance(0.5))) {
              world.arrived(process.name, source, from, to);
            }
            process.after(random.int(5, 60), () => resolve(answer));
          });
        });
      },
      onSaved: (positions) => world.believesSaved(process.name, positions),
      onEnd: (end) => {
        counts.fenced++;
        world.ended(process.name, end);
      },
    });
    instances[index] = { process, program };
  };
  const kill = ({ process }: Instance) => {
    note(`${process.name} is killed`);
    counts.kills++;
    process.kill();
  };
  const edit = () => {
    const stored = s3.get(KEY);
    const parsed = stored && parseDocument(stored);
    if (parsed?.kind !== 'current') return;
    const { lease, state } = parsed.document;
    writer = 'operator';
    counts.edits++;
    s3.put(
      KEY,
      serializeDocument({
        ...parsed.document,
        lease: { ...lease, epoch: lease.epoch + 1, seq: lease.seq + 1, owner: 'operator', host: 'desk' },
        state: { ...state, mark: counts.edits },
      }),
    );
  };
  const living = () => instances.flatMap((instance) => (instance?.process.alive ? [instance] : []));
  /** A process begins in an empty slot, else in place of one that is killed for it. */
  const startSomewhere = async () => {
    await time.run(0); // a request that is about to go out does so before its slot changes hands
    const empty = instances.findIndex((instance) => !instance?.process.alive);
    const index = empty >= 0 ? empty : random.int(0, instances.length - 1);
    const before = instances[index];
    if (before?.process.alive) kill(before);
    await start(index);
  };
  const act = async () => {
    const deed = random.weighted({ start: 5, kill: 3, pause: 3, stop: 2, edit: 1, calm: 1, storm: 1 });
    const victim = living()[random.int(0, 3)];
    if (deed === 'start' || living().length === 0) await startSomewhere();
    else if (deed === 'edit') edit();
    else if (deed === 'calm') network.trouble = 0.05;
    else if (deed === 'storm') network.trouble = 0.7;
    else if (victim && deed === 'kill') kill(victim);
    else if (victim && deed === 'pause') {
      note(`${victim.process.name} is paused`);
      counts.pauses++;
      victim.process.pause(random.int(500, 20_000));
    } else if (victim && deed === 'stop') {
      note(`${victim.process.name} is told to stop`);
      counts.stops++;
      victim.program.stop();
    }
  };

  await startSomewhere();
  while (time.now < TROUBLE_MS) {
    await time.run(random.int(500, 6_000));
    await act();
  }
  network.trouble = 0;
  note('calm');
  await startSomewhere();
  const finished = () => living().some(({ program }) => program.finished());
  if (!(await time.run(CALM_MS, finished))) world.violations.push('nobody finishes though all is calm');
  world.finish(sources);
  for (const { process } of living()) process.kill();
  return { seed, violations: world.violations, trace, figures: { ...counts, ...world.figures, fates: network.met } };
}
