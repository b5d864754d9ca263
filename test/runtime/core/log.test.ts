import { createLogger, type LogFormat, type LogLevel } from '../../../runtime/core/log';

function lines(level: LogLevel, format: LogFormat): string[] {
  const written: string[] = [];
  const log = createLogger({ level, format, write: (line) => void written.push(line) });
  log.debug('test.debug', 'a');
  log.info('test.info', 'b', { source: 'x', none: undefined });
  log.warn('test.warn', 'c');
  log.error('test.error', 'd\n"quoted"');
  return written;
}

test('JSON lines carry time, level, event, message and fields', () => {
  const [info, , error] = lines('info', 'json').map((line): unknown => JSON.parse(line));
  expect(info).toEqual({
    level: 'info',
    time: expect.stringMatching(/^\d{4}-.*Z$/),
    event: 'test.info',
    message: 'b',
    source: 'x',
  });
  expect(error).toMatchObject({ level: 'error', message: 'd\n"quoted"' });
});

test('text lines are for people', () => {
  expect(lines('info', 'text')[0]).toMatch(/^\S+ info {2}b \[test\.info\] source=x\n$/);
});

test.each([
  ['debug', 4],
  ['info', 3],
  ['warn', 2],
  ['error', 1],
  ['silent', 0],
] as const)('level %s writes %d of four lines', (level, count) => {
  expect(lines(level, 'json')).toHaveLength(count);
  expect(lines(level, 'text')).toHaveLength(count);
});
