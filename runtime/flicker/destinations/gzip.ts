import { promisify } from 'node:util';
import { gzip as gzipCallback } from 'node:zlib';

const pack = promisify(gzipCallback);

/** Compresses on a thread of its own. Log lines gain a tenth by level 6 and cost three times as much as by level 1. */
export const gzip = (body: Uint8Array): Promise<Buffer> => pack(body, { level: 1 });
