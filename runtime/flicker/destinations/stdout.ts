import type { Writable } from 'node:stream';
import type { Answer, Destination } from '../destination';
import { errorText } from '../../core/errors';

/** Writes one record a line to standard output; accepted when the stream has taken it on. */
export function createStdoutDestination(stream: Writable): Destination {
  // The callback of the write tells the error; without a listener the stream would end the process.
  const onError = () => {};
  stream.on('error', onError);
  return {
    label: 'stdout',
    layout: 'lines',
    send({ records }, signal): Promise<Answer> {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        const onAbort = () => reject(signal.reason as Error);
        signal.addEventListener('abort', onAbort, { once: true });
        stream.write(records.body('lines'), (error) => {
          signal.removeEventListener('abort', onAbort);
          if (!error) return resolve({ kind: 'accepted' });
          resolve({ kind: 'blocked', reason: `standard output cannot be written: ${errorText(error)}` });
        });
      });
    },
    close: () => {
      stream.off('error', onError);
      return Promise.resolve();
    },
  };
}
