import { processMetrics } from '../../../contract/core';
import { createMetrics } from '../../../runtime/core/metrics';

const specs = {
  read: { name: 'test_read_total', type: 'counter', help: 'Read.', labels: ['source'] },
  lag: { name: 'test_lag', type: 'gauge', help: 'Lag.', labels: ['source'] },
  seconds: { name: 'test_seconds', type: 'histogram', help: 'Seconds.', labels: [] },
} as const;

test('counters add up, gauges hold their last value, and both tell their sum', async () => {
  const { metrics, text, contentType } = createMetrics(specs);
  metrics.read.inc({ source: 'a' });
  metrics.read.inc({ source: 'b' }, 4);
  metrics.lag.set({ source: 'a' }, 10);
  metrics.lag.set({ source: 'a' }, 3);
  metrics.lag.set({ source: 'b' }, 2);
  metrics.seconds.observe({}, 0.2);
  expect([metrics.read.total(), metrics.lag.total()]).toEqual([5, 5]);
  const lines = (await text()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '# HELP test_read_total Read.',
      '# TYPE test_read_total counter',
      'test_read_total{source="a"} 1',
      'test_read_total{source="b"} 4',
      'test_lag{source="a"} 3',
      'test_seconds_count 1',
    ]),
  );
  expect(contentType).toContain('text/plain');
});

test('metrics of the process are there, however often they are asked for', async () => {
  const { text } = createMetrics(specs);
  await text();
  const answer = await text();
  for (const { name } of Object.values(processMetrics)) expect(answer).toContain(`\n${name} `);
});
