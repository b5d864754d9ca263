import type { LogFileConfig } from '../../../contract/flicker';
import { SettingsError } from '../../../contract/settings';
import { createMasks } from './masking';
import { compilePattern } from './pattern';

/** What happens to a line on its way: the line to ship, or `undefined` for one that is dropped. */
export type Transform = (line: string) => string | undefined;

/**
 * The filters and masks of a source: `match_on`, then `exclude_on`, then masking.
 * @returns undefined when nothing is configured, so that lines need not be decoded
 * @throws SettingsError that names every pattern that is not supported, by its key
 */
export function createTransform(
  config: Pick<LogFileConfig, 'match_on' | 'exclude_on' | 'masking'>,
): Transform | undefined {
  const problems: string[] = [];
  const report = (problem: string) => problems.push(problem);
  const compileAll = (key: 'match_on' | 'exclude_on') =>
    config[key].flatMap((source, i) => compilePattern(source, `${key}[${i}]`, report) ?? []);
  const allow = compileAll('match_on');
  const deny = compileAll('exclude_on');
  const masks = createMasks(config.masking, report);
  if (problems.length > 0) throw new SettingsError('a pattern cannot be used', problems);
  if (allow.length + deny.length + masks.length === 0) return undefined;
  return (line) => {
    if (allow.length > 0 && !allow.some((pattern) => pattern.test(line))) return undefined;
    if (deny.some((pattern) => pattern.test(line))) return undefined;
    return masks.reduce((text, mask) => mask(text), line);
  };
}
