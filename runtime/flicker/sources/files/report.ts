import { flickerEvents } from '../../../../contract/flicker';
import type { SourceContext } from '../../source';
import type { Tail } from './tail';

/** What a source tells people about its files: names and numbers only. */
export interface Report {
  found(path: string): void;
  rotated(tail: Tail, how: 'renamed' | 'truncated' | 'deleted'): void;
  /** Bytes of a file from `from` to its size as last known cannot be read any more. */
  missed(tail: Tail, from: number): void;
}

export function createReport(source: string, { log, metrics }: Pick<SourceContext, 'log' | 'metrics'>): Report {
  return {
    found: (file) => log.debug(flickerEvents.fileOpened, 'file found', { source, file }),
    rotated: ({ path: file, offset, size }, how) =>
      log.info(flickerEvents.fileRotated, `file was ${how}`, { source, file, offset, size }),
    missed: ({ path: file, size: to }, from) => {
      if (to <= from) return;
      metrics.bytesMissed.inc({ source }, to - from);
      const message = 'bytes were cut or deleted before they could be read';
      log.warn(flickerEvents.bytesMissed, message, { source, file, from, to });
    },
  };
}
