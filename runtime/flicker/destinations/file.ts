import type { DestinationConfig } from '../../../contract/flicker';
import type { Answer, Destination } from '../destination';
import { AppendFile } from './append-file';
import { errorCode, errorText } from '../../core/errors';

type FileConfig = Extract<DestinationConfig, { type: 'file' }>;

/** Errors that no waiting cures. */
const lasting = new Set(['EACCES', 'EPERM', 'EROFS', 'EISDIR', 'ENOTDIR', 'ENAMETOOLONG', 'ELOOP']);

/** Appends to a file, one record a line. @throws Error when the file cannot be written */
export async function createFileDestination(config: FileConfig): Promise<Destination> {
  const file = await AppendFile.open(config.path).catch((error: unknown) => {
    throw new Error(`file destination ${config.path} cannot be written: ${systemError(error).text}`, { cause: error });
  });
  return {
    label: `file ${file.path}`,
    layout: 'lines',
    async send({ records }, signal): Promise<Answer> {
      signal.throwIfAborted();
      try {
        await file.append(records.body('lines'));
        return { kind: 'accepted' };
      } catch (error) {
        const { code, text } = systemError(error);
        const reason = `cannot append to ${file.path}: ${text}`;
        return lasting.has(code) ? { kind: 'blocked', reason } : { kind: 'retry', reason, uncertain: false };
      }
    },
    close: () => file.close(),
  };
}

const meanings: Readonly<Record<string, string>> = {
  ENOSPC: 'no space is left on the device',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a folder',
};

/** @throws the error itself when it is none of the system */
function systemError(error: unknown): { code: string; text: string } {
  const code = errorCode(error);
  if (code === '') throw error;
  const meaning = meanings[code];
  return { code, text: meaning ? `${code}: ${meaning}` : errorText(error) };
}
