import pino from 'pino';
import type { LogEvent } from '../../contract/program';

/** Fields of a log line. Numbers and short names only: never a secret, never a payload. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** A logger whose every line carries an event name of the contract. */
export interface Logger {
  debug(event: LogEvent, message: string, fields?: LogFields): void;
  info(event: LogEvent, message: string, fields?: LogFields): void;
  warn(event: LogEvent, message: string, fields?: LogFields): void;
  error(event: LogEvent, message: string, fields?: LogFields): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';
export type LogFormat = 'json' | 'text';

const levels = ['debug', 'info', 'warn', 'error'] as const;

/** JSON lines for machines, or short text for a terminal, on standard output. */
export function createLogger(options: {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly write?: (line: string) => void;
}): Logger {
  const sink = options.write ?? ((line: string) => void process.stdout.write(line));
  if (options.format === 'text') {
    return fromLevels(options.level, (level, event, message, fields) => {
      const details = Object.entries(fields ?? {}).filter(([, value]) => value !== undefined);
      const tail = details.map(([name, value]) => ` ${name}=${String(value)}`).join('');
      sink(`${new Date().toISOString()} ${level.padEnd(5)} ${message} [${event}]${tail}\n`);
    });
  }
  const logger = pino(
    {
      level: options.level,
      base: null,
      messageKey: 'message',
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write: sink },
  );
  return fromLevels(options.level, (level, event, message, fields) => logger[level]({ event, ...fields }, message));
}

type Level = (typeof levels)[number];

function fromLevels(
  least: LogLevel,
  emit: (level: Level, event: LogEvent, message: string, fields?: LogFields) => void,
): Logger {
  const from = least === 'silent' ? levels.length : levels.indexOf(least);
  const at = (level: Level) =>
    levels.indexOf(level) < from
      ? () => {}
      : (event: LogEvent, message: string, fields?: LogFields) => emit(level, event, message, fields);
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}
