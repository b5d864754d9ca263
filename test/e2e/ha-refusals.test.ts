import type { FlickerConfigInput } from '../../contract';
import { carelessS3 } from './careless-s3';
import { quick, s3Environment, Stage, text } from './support';

let stage: Stage;
beforeEach(() => {
  stage = new Stage();
  stage.write('app.log', text(1, 3));
});
afterEach(() => stage.dispose());

const location = 's3://state/flicker/prod/app-registry.json';
const config = (more: Partial<FlickerConfigInput> = {}): FlickerConfigInput => ({
  log_files: [{ name: 'app', path: stage.path('app.log'), ...quick }],
  destination: { type: 'file', path: stage.path('out.jsonl') },
  ...more,
});

test('a store that ignores the conditions is refused with ha, naming the call, and works for a single instance', async () => {
  const objects = new Map<string, Buffer>();
  const env = s3Environment(await stage.serve(carelessS3(objects)));
  const refused = await stage.run(config(), ['--ha', '--track', '--registry-file', location], env);
  expect(refused.code).toBe(1);
  expect(refused.program.text).toContain(
    'flicker: ha cannot be used on this store: PUT with If-None-Match: * over an object was answered 200, expected 412 ' +
      '(tried on s3://state/flicker/prod/app/nodes/probe.json). Two instances could overwrite each other there; leave ha ' +
      'out and run one instance, or use a store that honours conditional writes',
  );
  expect([...objects.keys()]).toEqual(['/state/flicker/prod/app/nodes/probe.json']);

  const single = await stage.run(config(), ['--once', '--track', '--registry-file', location], env);
  expect(single.code).toBe(0);
  expect(stage.read('out.jsonl').trim().split('\n')).toHaveLength(3);
});

test('what cannot have ha is bad usage', async () => {
  const { code, program } = await stage.run(config({ ha: true }), []);
  expect(code).toBe(2);
  expect(program.text).toContain('ha needs a registry: add --track [FLICKER_TRACK], or leave ha out');
});
