import { flickerEvents } from '../../../contract/flicker';
import type { Records } from '../batch';
import { RecoverError, type Answer, type DeadLetters, type Destination, type Shipment } from '../destination';
import { errorText } from '../../core/errors';
import type { StateChange } from '../state';
import { untilDone, type Attempt, type AttemptContext } from './attempts';
import { NoDeadLetterLocationError } from './dead-letters';

export interface DeliveryContext extends Omit<AttemptContext, 'source' | 'destination'> {
  readonly destination: Destination;
  /** Its name within the source. */
  readonly destinationName: string;
  readonly deadLetters: DeadLetters;
  /** Told at the start how to ask for what is neither accepted nor kept as a dead letter, in order. */
  readonly onStart?: (left: () => Records[]) => void;
  /** Told of events that are kept as dead letters, and where: from now on they are not among what is left. */
  readonly onDeadLetters?: (events: number, place: string) => void;
}

/** What became of a shipment. */
export type Delivery =
  /** Every event was accepted, or is kept as a dead letter. */
  | { readonly kind: 'settled'; readonly delivered: number; readonly deadLettered: number }
  /** Another writer has written this number: nothing was delivered, and `after` is the state after what it wrote. */
  | { readonly kind: 'superseded'; readonly after: StateChange };

type Partial = Extract<Answer, { kind: 'partial' }>;
/** An answer that ends the attempts. */
type Final = Exclude<Answer, { kind: 'retry' | 'blocked' | 'partial' }>;

/**
 * Delivers a shipment in order, however long it takes; what a destination takes only in part goes on behind the rest of
 * its request. A shipment without records is settled without a request.
 * @throws the signal's reason when it is aborted: nothing of the shipment may be acknowledged then
 * @throws NoDeadLetterLocationError when events were refused and there is nowhere to keep them
 */
export async function deliver(shipment: Shipment, context: DeliveryContext): Promise<Delivery> {
  const { destination, metrics } = context;
  const { source } = shipment;
  const labels = { source };
  const attempts: AttemptContext = { ...context, source, destination: destination.label };
  let delivered = 0;
  let deadLettered = 0;
  const accept = (records: Records) => {
    delivered += records.count;
    metrics.eventsDelivered.inc(labels, records.count);
    metrics.bytesDelivered.inc(labels, records.body(destination.layout).length);
  };
  /** `rest`: what is under way without them. */
  const refuse = async (records: Records, reason: string, tries: number, rest: () => Records | undefined) => {
    const place = await bury(records, source, reason, tries, context, attempts);
    open = rest();
    deadLettered += records.count;
    context.onDeadLetters?.(records.count, place);
  };
  const settlePart = async (records: Records, answer: Partial, tries: number) => {
    const unsettled = new Set([...answer.retry, ...answer.refused.map(({ index }) => index)]);
    const pick = (settled: boolean) =>
      records.pick(indexesOf(records).filter((index) => unsettled.has(index) !== settled));
    if (unsettled.size < records.count) accept(pick(true));
    open = pick(false);
    for (const reason of new Set(answer.refused.map((one) => one.reason))) {
      const refused = answer.refused.filter((one) => one.reason === reason).map(({ index }) => index);
      await refuse(records.pick(refused), reason, tries, () => {
        for (const index of refused) unsettled.delete(index);
        return pick(false);
      });
    }
  };
  /** What is left, the next part last. */
  const parts = shipment.records.count > 0 ? [shipment.records] : [];
  /** What is under way. */
  let open: Records | undefined;
  context.onStart?.(() => [...(open ? [open] : []), ...parts.toReversed()]);
  for (let part = parts.pop(); part; part = parts.pop()) {
    open = part;
    const { answer, tries, records } = await sendPart(
      { ...shipment, records: part, whole: shipment.records },
      destination,
      attempts,
      settlePart,
      (rest) => (open = rest),
    );
    switch (answer.kind) {
      case 'accepted':
        if (records.count > 0) accept(records);
        open = undefined;
        break;
      case 'superseded':
        return answer;
      case 'too-large':
      case 'refused':
        if (answer.kind === 'too-large' && records.count > 1) {
          const half = Math.ceil(records.count / 2);
          parts.push(records.slice(half, records.count), records.slice(0, half));
          open = undefined;
          break;
        }
        await refuse(records, answer.reason, tries, () => undefined);
        break;
    }
  }
  return { kind: 'settled', delivered, deadLettered };
}

const indexesOf = ({ count }: Records) => Array.from({ length: count }, (_, index) => index);

/** The state changes of objects that were written after the last save; none for destinations that have no numbers. */
export function recover(source: string, from: number, context: RecoverContext): Promise<StateChange[]> {
  const { destination, signal } = context;
  return recovered(source, context, async () => (await destination.recover?.(source, from, signal)) ?? []);
}

type RecoverContext = Omit<DeliveryContext, 'destinationName' | 'deadLetters' | 'onStart' | 'onDeadLetters'>;

/** What a numbered destination tells of its objects, however long it takes until they can be read. */
export function recovered<T>(source: string, context: RecoverContext, read: () => Promise<T>): Promise<T> {
  return untilDone({ ...context, source, destination: context.destination.label }, async (): Promise<Attempt<T>> => {
    try {
      return { done: await read() };
    } catch (error) {
      if (error instanceof RecoverError) return { failed: error.message, blocked: error.blocked };
      throw error;
    }
  });
}

/** Sends until there is an answer for the last of it: `records` are those that the answer is for. */
async function sendPart(
  part: Shipment,
  destination: Destination,
  context: AttemptContext,
  settlePart: (records: Records, answer: Partial, tries: number) => Promise<void>,
  onRest: (records: Records) => void,
): Promise<{ answer: Final; tries: number; records: Records }> {
  let tries = 0;
  let maybeTaken = false;
  let { records } = part;
  const answer = await untilDone(context, async (): Promise<Attempt<Final>> => {
    const answer = await destination.send({ ...part, records }, context.signal);
    tries++;
    // An attempt that did not even reach the destination has sent nothing again.
    if (maybeTaken && (answer.kind !== 'retry' || answer.uncertain)) {
      context.metrics.eventsResent.inc({ source: part.source }, records.count);
    }
    switch (answer.kind) {
      case 'retry': {
        maybeTaken ||= answer.uncertain;
        const { reason, retryAfterMs } = answer;
        return { failed: reason, blocked: false, ...(retryAfterMs !== undefined && { retryAfterMs }) };
      }
      case 'blocked':
        return { failed: answer.reason, blocked: true };
      case 'partial': {
        maybeTaken ||= answer.uncertain ?? false;
        const { reason, retry, retryAfterMs } = answer;
        const advanced = retry.length < records.count;
        await settlePart(records, answer, tries);
        if (advanced) records = records.pick(retry);
        onRest(records);
        if (retry.length === 0) return { done: { kind: 'accepted' } };
        return { failed: reason, blocked: false, advanced, ...(retryAfterMs !== undefined && { retryAfterMs }) };
      }
      default:
        return { done: answer };
    }
  });
  return { answer, tries, records };
}

async function bury(
  records: Records,
  source: string,
  reason: string,
  tries: number,
  { deadLetters, destination, destinationName, log, metrics, signal }: DeliveryContext,
  attempts: AttemptContext,
): Promise<string> {
  const letter = { source, destination: destination.label, destinationName, records, reason, attempts: tries };
  const location = await untilDone(attempts, async (): Promise<Attempt<string>> => {
    try {
      return { done: await deadLetters.write(letter, signal) };
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof NoDeadLetterLocationError) throw error;
      return { failed: `dead letters cannot be written: ${errorText(error)}`, blocked: false };
    }
  });
  metrics.eventsDeadLettered.inc({ source }, records.count);
  log.warn(flickerEvents.deadLetterWritten, `${records.count} events of ${source} were refused and are kept`, {
    source,
    destination: destination.label,
    events: records.count,
    reason,
  });
  return location;
}
