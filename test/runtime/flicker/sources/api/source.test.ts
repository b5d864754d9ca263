import { flickerEvents } from '../../../../../contract/flicker';
import { SMALL_MEMORY } from '../../../../../runtime/flicker/sources/api/spec';
import { event, NOW, offset, run, serve } from './fixtures';
import { apiConfig } from './harness';

describe('a first start', () => {
  it('commits now before the first read, and asks for what came since', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('offset'), time_filter_param: 'since', id_field: 'id' });
    await source.start();
    expect(source.position).toEqual({ watermark: NOW, floor: NOW });
    expect(pages.requests).toEqual([]);
    pages.add(event(-1), event(0), event(1));
    source.time += 60_000;
    await source.restart();
    await source.poll();
    expect(pages.requests[0]?.url.searchParams.get('since')).toBe(new Date(NOW - 1000).toISOString());
    expect(source.shipped.map(({ id }) => id)).toEqual(['0', '1']);
  });

  it('begins at the beginning, or at a time', async () => {
    const pages = await serve();
    pages.add(event(-2), event(-1));
    const all = run({ endpoint: pages.url('offset'), time_filter_param: 'since', start_from: 'beginning' });
    await all.poll();
    expect(all.shipped.length).toBe(2);
    expect(pages.requests[0]?.url.search).toBe('');
    const some = run({ endpoint: pages.url('offset'), start_from: new Date(NOW - 1000).toISOString(), id_field: 'id' });
    await some.poll();
    expect(some.shipped.map(({ id }) => id)).toEqual(['-1']);
  });

  it('goes on where a version 1 registry ends', async () => {
    const pages = await serve({ pageSize: 2 });
    pages.add(event(-3), event(-2), event(-1), event(0));
    const saved = (cursor: string | null) => ({
      api_sources: { api: { last_timestamp: new Date(NOW - 2000).toISOString(), cursor } },
    });
    const plain = run(
      { endpoint: pages.url('offset'), id_field: 'id', pagination: offset },
      undefined,
      NOW,
      saved(null),
    );
    await plain.poll();
    expect(plain.shipped.map(({ id }) => id)).toEqual(['-2', '-1', '0']);
    const cursor = { pagination_type: 'cursor', cursor_param: 'cursor', next_cursor_field: 'meta.next' } as const;
    const walking = run(
      { endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor },
      undefined,
      NOW,
      saved('2'),
    );
    await walking.poll();
    expect(walking.shipped.map(({ id }) => id)).toEqual(['-1', '0']);
  });

  it('refuses a position that it cannot read, and leaves it', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('offset') });
    await source.start();
    const entry = source.committed.sources['api'];
    if (entry) entry.position = { watermark: 'secret' };
    await expect(source.restart()).rejects.toThrow('the saved position of the source "api" cannot be read');
  });

  it('does not follow a saved page of another endpoint', async () => {
    const pages = await serve();
    pages.add(event(1), event(2), event(3));
    const input = { endpoint: pages.url('offset'), pagination: offset, start_from: 'beginning', max_pages: 1 } as const;
    const source = run(input);
    await source.poll();
    expect(source.position['walk']).toMatchObject({ at: 2 });
    await source.restart(apiConfig({ ...input, endpoint: `${pages.url('offset')}?other=1` }));
    await source.poll();
    expect(pages.requests[1]?.url.searchParams.get('offset')).toBe('0');
  });
});

describe('a walk', () => {
  const cursor = {
    pagination_type: 'cursor',
    cursor_param: 'cursor',
    next_cursor_field: 'meta.next',
    limit_param: 'limit',
    page_size: 2,
  } as const;

  it.each([
    ['null', null],
    ['empty', ''],
    ['missing', undefined],
    ['repeated', '2'],
  ])('ends at a cursor that is %s', async (_, value) => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5, 6].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    await source.start();
    source.time += 60_000;
    await source.fill();
    pages.fail({ kind: 'next', value });
    expect(await source.fill()).toBe('idle');
    expect(pages.requests.map(({ url }) => url.searchParams.get('cursor'))).toEqual([null, '2']);
    expect(source.position['walk']).toBeUndefined();
    // The next walk sees what the API then shows.
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5', '6']);
  });

  it('ends where cursors run in a circle', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5, 6].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    pages.fail({ kind: 'next', value: '2' }, { kind: 'next', value: '4' }, { kind: 'next', value: '2' });
    await source.poll();
    expect(pages.requests.length).toBe(3);
  });

  it('asks an API whose cursor never ends once a poll when it is empty', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    pages.fail({ kind: 'next', value: 'a0' });
    await source.poll();
    expect(pages.requests.length).toBe(1);
    expect(source.position['walk']).toMatchObject({ at: 'a0' });
  });

  it('asks with the same time filter until it ends, newest first', async () => {
    const pages = await serve({ order: 'newest-first' });
    const source = run({
      endpoint: pages.url('offset'),
      id_field: 'id',
      pagination: offset,
      time_filter_param: 'since',
      max_pages: 1,
    });
    await source.start();
    source.time += 60_000;
    pages.add(...[1, 2, 3, 4, 5].map((id) => event(id)));
    await source.poll();
    expect(source.position).toMatchObject({ watermark: NOW, walk: { newest: NOW + 5000 } });
    await source.restart();
    for (let i = 0; i < 3; i++) await source.poll();
    expect(new Set(pages.requests.map(({ url }) => url.searchParams.get('since')))).toEqual(
      new Set([new Date(NOW - 1000).toISOString()]),
    );
    expect(source.shipped.map(({ id }) => id)).toEqual(['5', '4', '3', '2', '1']);
    expect(source.position).toMatchObject({ watermark: NOW + 5000 });
    expect(source.position['walk']).toBeUndefined();
  });

  it('keeps its link when the page behind it is empty and has none', async () => {
    const pages = await serve();
    pages.add(event(1));
    const pagination = { pagination_type: 'link' } as const;
    const source = run({ endpoint: pages.url('link'), results_field: '', id_field: 'id', pagination });
    const next = `${pages.url('link')}?cursor=1`;
    pages.fail({ kind: 'next', value: next });
    await source.poll();
    expect(source.position['walk']).toMatchObject({ at: next, tail: true });
    pages.add(event(2));
    await source.poll();
    expect(pages.requests.at(-1)?.url.href).toBe(next);
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2']);
  });

  it('begins again when its page is refused', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4].map((id) => event(id)));
    const source = run({ endpoint: pages.url('cursor'), id_field: 'id', pagination: cursor });
    await source.fill();
    pages.fail({ kind: 'answer', status: 410 });
    await expect(source.fill()).rejects.toThrow('refused the page at which the walk was to go on (410)');
    await source.restart();
    await source.poll();
    expect(pages.requests.at(-2)?.url.searchParams.get('cursor')).toBeNull();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4']);
  });

  it('hands on a page in parts, and resumes within it', async () => {
    const pages = await serve();
    pages.add(...[1, 2, 3, 4, 5].map((id) => event(id)));
    const source = run(
      { endpoint: pages.url('single'), results_field: '', id_field: 'id' },
      { events: 2, bytes: 10_000 },
    );
    expect(await source.fill()).toBe('more');
    expect(pages.requests.length).toBe(1);
    await source.restart();
    await source.fill();
    await source.restart();
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3', '4', '5']);
  });

  it('does not save again when nothing has moved', async () => {
    const pages = await serve();
    pages.add(event(1));
    const source = run({ endpoint: pages.url('offset'), id_field: 'id' });
    await source.poll();
    const before = JSON.stringify(source.committed);
    await source.poll();
    expect(JSON.stringify(source.committed)).toBe(before);
    expect(before.length).toBeLessThan(400);
  });
});

describe('entries', () => {
  it('without a readable time are shipped once, counted, and move nothing', async () => {
    const pages = await serve();
    pages.add(event(1), { time: 0, body: { id: 2, time: 'soon' } }, { time: 0, body: { id: 3 } });
    const source = run({ endpoint: pages.url('offset'), start_from: 'beginning' });
    source.time += 60_000;
    for (let i = 0; i < 3; i++) {
      await source.poll();
      await source.restart();
    }
    expect(source.lines).toEqual([
      '{"id":1,"time":' + String(NOW + 1000) + ',"text":"event 1"}',
      '{"id":2,"time":"soon"}',
      '{"id":3}',
    ]);
    expect(source.position['watermark']).toBe(NOW + 1000);
    expect(await source.metric('flicker_timestamps_unreadable_total')).toBe(2);
    expect(source.log.filter((line) => line.event === flickerEvents.timestampUnreadable)).toMatchObject([
      { fields: { entries: 2 } },
    ]);
  });

  it('of the future do not hide what is to come', async () => {
    const pages = await serve();
    const far = Date.now() + 1e11;
    pages.add({ time: far, body: { id: 1, time: far } });
    const source = run({ endpoint: pages.url('single'), results_field: '', id_field: 'id' }, undefined, Date.now());
    await source.poll();
    source.time += 5000;
    pages.add({ time: source.time, body: { id: 2, time: source.time } });
    await source.poll();
    await source.poll();
    pages.add({ time: source.time, body: { id: 3, time: source.time } });
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '2', '3']);
  });

  it('that come late are caught within the overlap', async () => {
    const pages = await serve({ order: 'oldest-first' });
    const source = run({
      endpoint: pages.url('offset'),
      id_field: 'id',
      time_filter_param: 'since',
      start_from: 'beginning',
    });
    source.time += 3_600_000;
    pages.add(event(1), event(500), event(700));
    await source.poll();
    pages.add(event(101), event(600));
    await source.poll();
    expect(source.shipped.map(({ id }) => id)).toEqual(['1', '500', '700', '101', '600']);
    // More than ten minutes before the newest: taken for one that was delivered long ago.
    pages.add(event(1200));
    await source.poll();
    pages.add(event(300));
    await source.poll();
    expect(source.shipped.at(-1)?.id).toBe('1200');
  });

  it('that come late are caught back to the oldest that is remembered', async () => {
    const pages = await serve();
    const source = run({ endpoint: pages.url('single'), results_field: '', id_field: 'id', start_from: 'beginning' });
    const add = (id: number, ms: number) => pages.add({ time: NOW + ms, body: { id, time: NOW + ms } });
    source.time += 60_000;
    for (let id = 0; id < 100; id++) add(id, id * 2);
    await source.poll();
    const floor = Number(source.position['floor']) - NOW;
    expect(floor).toBe((100 - SMALL_MEMORY.entries - 1) * 2 + 1);
    add(200, floor);
    add(201, floor - 1);
    await source.poll();
    expect(source.shipped.slice(100).map(({ id }) => id)).toEqual(['200']);
  });

  it('that are equal keep apart over a restart between their pages', async () => {
    const pages = await serve();
    pages.add(event(1), event(1));
    const source = run({ endpoint: pages.url('offset'), pagination: { ...offset, page_size: 1 } });
    await source.fill();
    await source.restart();
    await source.poll();
    expect(new Set(source.shipped.map(({ id }) => id)).size).toBe(2);
  });

  it('keep their id when they are read again', async () => {
    const pages = await serve();
    pages.add(event(1), event(1), event(2));
    const source = run({ endpoint: pages.url('single'), results_field: '', message_field: 'text' });
    await source.fill(false);
    await source.restart();
    await source.poll();
    const [first, second, third, ...again] = source.shipped;
    expect(again).toEqual([first, second, third]);
    expect(new Set([first?.id, second?.id, third?.id]).size).toBe(3);
    expect(first).toEqual({
      path: 'api://api',
      line: 'event 1',
      id: expect.stringMatching(/^[\w-]{22}$/),
      time: new Date(NOW + 1000).toISOString(),
    });
  });

  it('are filtered and masked, and travel without ids when asked', async () => {
    const pages = await serve();
    pages.add(event(1), event(2), event(3));
    const source = run(
      {
        endpoint: pages.url('offset'),
        message_field: 'text',
        exclude_on: ['event 2'],
        masking: { enabled: true, rules: { custom: [{ name: 'three', pattern: '3' }] } },
      },
      { events: 10, bytes: 1000, includeId: false },
    );
    await source.poll();
    await source.poll();
    expect(source.shipped).toEqual([
      { path: 'api://api', line: 'event 1' },
      { path: 'api://api', line: 'event [THREE]' },
    ]);
    expect(await source.metric('flicker_events_filtered_total')).toBe(1);
    expect(await source.metric('flicker_events_read_total')).toBe(3);
    expect(await source.metric('flicker_api_requests_total', ',status="2xx"')).toBe(2);
  });
});
