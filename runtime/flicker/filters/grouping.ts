import type { MultilineConfig } from '../../../contract/flicker';
import { SettingsError } from '../../../contract/settings';
import { compilePattern } from './pattern';

/** Which lines belong to one event, and when it is complete. */
export interface Grouping {
  /** Whether a line begins an event, seen by itself. */
  readonly begins: (line: string) => boolean;
  readonly timeoutMs: number;
  readonly maxLines: number;
  readonly maxBytes: number;
}

/** @throws SettingsError that names the pattern that is not supported, by its key */
export function createGrouping(config: MultilineConfig | undefined): Grouping | undefined {
  if (!config) return undefined;
  const key = config.start_pattern === undefined ? 'continuation_pattern' : 'start_pattern';
  const problems: string[] = [];
  const pattern = compilePattern(config[key] ?? '', `multiline.${key}`, (problem) => problems.push(problem));
  if (!pattern) throw new SettingsError('a pattern cannot be used', problems);
  const begins = key === 'start_pattern' ? (line: string) => pattern.test(line) : (line: string) => !pattern.test(line);
  return { begins, timeoutMs: config.timeout_ms, maxLines: config.max_lines, maxBytes: config.max_bytes };
}
