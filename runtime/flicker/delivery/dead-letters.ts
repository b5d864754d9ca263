import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { S3Client } from '@aws-sdk/client-s3';
import type { DeadLetterConfig } from '../../../contract/flicker';
import type { Clock } from '../../core/clock';
import type { DeadLetter, DeadLetters } from '../destination';
import { syncFolder } from '../destinations/append-file';
import { limited } from '../destinations/aws-request';
import { safeName } from '../destinations/safe-name';

/** There is nowhere to keep refused events: the source must stop, or they would be lost. */
export class NoDeadLetterLocationError extends Error {
  override readonly name = 'NoDeadLetterLocationError';

  constructor(letter: DeadLetter) {
    super(
      `${letter.records.count} events of ${letter.source} were refused by ${letter.destination} (${letter.reason}), and ` +
        'there is no place for them: set dead_letter to a path or a bucket, or run with --track',
    );
  }
}

export interface DeadLetterContext {
  readonly clock: Clock;
  /** A client for buckets in the program's own region. Called only where one is needed. */
  readonly s3: () => Promise<S3Client>;
}

/**
 * Keeps refused events, those of one request in one file or object: `<source>/<hash>.jsonl`. The name follows from the
 * destination and the events, so that writing them again after a kill keeps them once.
 */
export function createDeadLetters(location: DeadLetterConfig | undefined, context: DeadLetterContext): DeadLetters {
  const body = (letter: DeadLetter) => encode(letter, new Date(context.clock.now()).toISOString());
  if (location === undefined) {
    return { write: (letter) => Promise.reject(new NoDeadLetterLocationError(letter)) };
  }
  if ('path' in location) {
    return {
      async write(letter, signal) {
        signal.throwIfAborted();
        const folder = join(location.path, safeName(letter.source));
        const name = fileName(letter);
        await writeWhole(folder, name, body(letter));
        return join(folder, name);
      },
    };
  }
  const { bucket, prefix } = location;
  return {
    async write(letter, signal) {
      const [client, { PutObjectCommand }] = await Promise.all([context.s3(), import('@aws-sdk/client-s3')]);
      const key = `${prefix}${safeName(letter.source)}/${fileName(letter)}`;
      const put = new PutObjectCommand({
        Bucket: bucket,
        Key: key,
        Body: body(letter),
        ContentType: 'application/jsonlines',
      });
      await limited(signal, (options) => client.send(put, options));
      return `s3://${bucket}/${key}`;
    },
  };
}

/**
 * Events with ids name themselves. Without ids two events may be equal and still be two: then each write has a name of
 * its own.
 */
function fileName({ records, destinationName }: DeadLetter): string {
  const first: unknown = JSON.parse(records.record(0).toString());
  const named = typeof first === 'object' && first !== null && 'id' in first;
  const hash = createHash('sha256').update(`${destinationName}\n`).update(records.body('lines'));
  if (!named) hash.update(randomUUID());
  return `${hash.digest('hex').slice(0, 40)}.jsonl`;
}

function encode({ records, reason, destination, destinationName, attempts, source }: DeadLetter, time: string): Buffer {
  const head = Buffer.from('{"event":');
  const tail = Buffer.from(
    `,${JSON.stringify({ error: reason, destination, destinationName, attempts, source, time }).slice(1)}\n`,
  );
  const lines = Array.from({ length: records.count }, (_, i) => [head, records.record(i), tail]);
  return Buffer.concat(lines.flat());
}

/** All of it under its name, on the disk, or nothing. */
export async function writeWhole(folder: string, name: string, bytes: Buffer): Promise<void> {
  await mkdir(folder, { recursive: true });
  const temporary = join(folder, `.${name}.${randomUUID()}`);
  try {
    const file = await open(temporary, 'wx', 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, join(folder, name));
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(folder);
}
