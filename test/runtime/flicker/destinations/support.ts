import { once } from 'node:events';
import type { Server } from 'node:net';
import { flickerConfig, type DestinationConfig } from '../../../../contract/flicker';
import type { AwsClients } from '../../../../runtime/core/aws-clients';
import { systemClock } from '../../../../runtime/core/clock';
import { BatchBuilder, type RecordExtra, type Records } from '../../../../runtime/flicker/batch';
import type { Shipment } from '../../../../runtime/flicker/destination';
import type { StateChange } from '../../../../runtime/flicker/state';
import type { DestinationContext } from '../../../../runtime/flicker/destinations';

/** Records of these lines, ids `<prefix>0`, `<prefix>1` … */
export function records(lines: readonly string[], prefix: string | undefined = 'id-'): Records {
  const builder = new BatchBuilder(100_000, 256 * 1024 ** 2);
  lines.forEach((line, i) => builder.addText('/var/log/app.log', line, prefix === '' ? undefined : `${prefix}${i}`));
  return builder.take().records;
}

export function shipment(lines: readonly string[], over: Partial<Shipment> = {}): Shipment {
  return { source: 'app', records: records(lines), number: 1, after: position(1), ...over };
}

/** A shipment of events with what a source may know of them. */
export function extraShipment(
  events: readonly (RecordExtra & { line: string; path?: string; id?: string })[],
): Shipment {
  const builder = new BatchBuilder(100_000, 256 * 1024 ** 2);
  events.forEach(({ line, path = '/var/log/app.log', id, ...extra }, i) =>
    builder.addText(path, line, id ?? `id-${i}`, extra),
  );
  return { source: 'app', records: builder.take().records, number: 1, after: position(1) };
}

export const position = (cursor: number | string): StateChange => ({ position: { cursor } });

/** A destination as the config file has it, defaults filled in. */
export function destinationConfig(destination: object): DestinationConfig {
  const config = flickerConfig('final').parse({ log_files: [{ path: '/var/log/app.log' }], destination });
  if (!config.destination) throw new Error('the config lost its destination');
  return config.destination;
}

const none = () => Promise.reject(new Error('no AWS here'));
export const noAws: AwsClients = {
  s3: none,
  registryS3: none,
  cloudWatchLogs: none,
  kinesis: none,
  firehose: none,
  sqs: none,
};

export const context: DestinationContext = { ...noAws, clock: systemClock, nodeId: 'node' };

/** Listens on a free port of the loopback. */
export async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}

export const never = new AbortController().signal;
