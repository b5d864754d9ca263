import type { LogFileConfig, ParseJsonConfig } from '../../../contract/flicker';
import { SettingsError } from '../../../contract/settings';
import type { FlickerMetrics } from '../metrics';
import { fieldAt } from '../sources/api/fields';
import { eventTime } from './event-time';
import { maskJson, maskValue, parseObject } from './json';
import { createMasks, findWithin } from './masking';
import { compilePattern } from './pattern';

export { createGrouping, type Grouping } from './grouping';

/** What a line becomes on its way. */
export interface Transformed {
  readonly line: string;
  /** The event's own time, when the line tells it. */
  readonly time?: string | undefined;
  /** The object that the line is, as JSON in one line. */
  readonly fields?: string | undefined;
}

/** What happens to a line on its way: what to ship, or `undefined` for a line that is dropped. */
export type Transform = (line: string) => Transformed | undefined;

/** Told of lines that are not what the config says. They are shipped all the same. */
export interface TransformObserver {
  /** A line is no JSON object. */
  unparsed(): void;
  /** An object has no time that can be read. */
  timeUnreadable(): void;
}

/** Counts them for a source. */
export function observeLines(metrics: FlickerMetrics, source: string): TransformObserver {
  return {
    unparsed: () => metrics.linesUnparsed.inc({ source }),
    timeUnreadable: () => metrics.timestampsUnreadable.inc({ source }),
  };
}

const nobody: TransformObserver = { unparsed: () => {}, timeUnreadable: () => {} };

/**
 * The filters, parser and masks of a source: `match_on`, then `exclude_on`, then `parse_json`, then masking.
 * @returns undefined when nothing is configured, so that lines need not be decoded
 * @throws SettingsError that names every pattern that is not supported, by its key
 */
export function createTransform(
  config: Pick<LogFileConfig, 'match_on' | 'exclude_on' | 'parse_json' | 'masking'>,
  observer = nobody,
): Transform | undefined {
  const problems: string[] = [];
  const report = (problem: string) => problems.push(problem);
  const compileAll = (key: 'match_on' | 'exclude_on') =>
    config[key].flatMap((source, i) => compilePattern(source, `${key}[${i}]`, report) ?? []);
  const allow = compileAll('match_on');
  const deny = compileAll('exclude_on');
  const masks = createMasks(config.masking, report);
  if (problems.length > 0) throw new SettingsError('a pattern cannot be used', problems);
  if (allow.length + deny.length + masks.length === 0 && config.parse_json === false) return undefined;
  const mask = masks.length === 0 ? undefined : (text: string) => masks.reduce((masked, next) => next(masked), text);
  const finish =
    config.parse_json === false
      ? (line: string): Transformed => ({ line: mask ? mask(line) : line })
      : createParser(
          config.parse_json === true ? wholeObject : config.parse_json,
          mask,
          findWithin(config.masking),
          observer,
        );
  return (line) => {
    if (allow.length > 0 && !allow.some((pattern) => pattern.test(line))) return undefined;
    if (deny.some((pattern) => pattern.test(line))) return undefined;
    return finish(line);
  };
}

const wholeObject: ParseJsonConfig = { timestamp_format: 'auto' };

function createParser(
  { message_field, timestamp_field, timestamp_format }: ParseJsonConfig,
  mask: ((text: string) => string) | undefined,
  within: boolean,
  observer: TransformObserver,
): (line: string) => Transformed {
  const key = message_field?.slice(message_field.lastIndexOf('.') + 1) ?? '';
  return (text) => {
    const object = parseObject(text);
    const masked = mask ? mask(text) : text;
    if (!object) {
      observer.unparsed();
      return { line: masked };
    }
    const { value, json } = object;
    const message = message_field === undefined ? undefined : fieldAt(value, message_field);
    const time =
      timestamp_field === undefined ? undefined : eventTime(fieldAt(value, timestamp_field), timestamp_format);
    if (timestamp_field !== undefined && time === undefined) observer.timeUnreadable();
    const clean = !mask || (within && masked === text && !text.includes('\\'));
    if (typeof message !== 'string') return { line: masked, time, fields: clean ? json : maskJson(json, mask) };
    if (clean) return { line: message, time, fields: json };
    return { line: maskValue(key, message, mask), time, fields: maskJson(json, mask) };
  };
}
