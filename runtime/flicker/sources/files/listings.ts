import { stat } from 'node:fs/promises';
import type { Clock } from '../../../core/clock';
import { errorCode } from '../../../core/errors';
import type { FileStat } from './discover';

/** A folder that changed as lately as this may change again within the same tick of the file system's clock. */
const TICK_NS = 100_000_000n;

/** What was in each folder when it was listed last. A folder's own time tells when that is out of date. */
export class Listings {
  private readonly kept = new Map<
    string,
    { readonly version: bigint | undefined; readonly files: Map<string, string> }
  >();
  private readonly versions = new Map<string, bigint | undefined>();

  constructor(private readonly clock: Pick<Clock, 'now'>) {}

  /** Whether files came, went or were renamed since `keep`. To be asked before the folder is listed. */
  async changed(folder: string): Promise<boolean> {
    const version = await versionOf(folder, this.clock.now());
    this.versions.set(folder, version);
    return version === undefined || this.kept.get(folder)?.version !== version;
  }

  /** What was listed last: file versions by id. */
  before(folder: string): ReadonlyMap<string, string> | undefined {
    return this.kept.get(folder)?.files;
  }

  /** Remembers a listing, once all that is new in it was looked at. */
  keep(folder: string, files: readonly FileStat[]): void {
    this.kept.set(folder, {
      version: this.versions.get(folder),
      files: new Map(files.map(({ id, version }) => [id, version])),
    });
  }
}

/** Undefined when there is no such folder, or when it changed a moment ago. */
async function versionOf(folder: string, now: number): Promise<bigint | undefined> {
  try {
    const { mtimeNs } = await stat(folder, { bigint: true });
    return BigInt(Math.floor(now)) * 1_000_000n - mtimeNs < TICK_NS ? undefined : mtimeNs;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(errorCode(error))) return undefined;
    throw error;
  }
}
