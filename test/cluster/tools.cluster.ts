import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Yaml } from 'cdk8s';
import { parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { flickerMetrics } from '../../contract';
import { chartTools, missingTools } from '../../dev/kube/control-plane';
import { logShipperHelmChart } from '../../lib/k8s';
import { chartProps, chartWith, manifestsOf, shipperShapes } from '../lib/support/charts';
import { asManifests, manifestProblems, type Manifest } from '../lib/support/manifests';
import { run } from './support';

let folder: string;
beforeAll(() => {
  const missing = missingTools(chartTools);
  if (missing.length > 0) {
    throw new Error(
      `there is no ${missing.join(', no ')}: install helm, promtool (of Prometheus) and kube-score, or put them into KUBEBUILDER_ASSETS`,
    );
  }
  folder = mkdtempSync(join(tmpdir(), 'holdfast-charts-'));
});
afterAll(() => folder && rmSync(folder, { recursive: true, force: true }));

function write(path: string, text: string): string {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
}

const byId = (manifests: readonly Manifest[]) =>
  Object.fromEntries(manifests.map((manifest) => [`${manifest.kind}/${manifest.metadata.name}`, manifest]));

describe.each(Object.keys(shipperShapes))('the Helm chart of %s', (shape) => {
  const release = 'flicker';

  function written(): string {
    const props = { ...chartProps(shipperShapes[shape]), name: release, shipperName: 'okta', version: '0.1.0' };
    for (const [path, text] of Object.entries(logShipperHelmChart(props))) write(join(shape, path), text);
    return join(folder, shape);
  }

  const rendered = (name: string, ...args: string[]) => {
    const { status, output } = run('helm', ['template', name, written(), ...args]);
    if (status !== 0) throw new Error(output);
    return asManifests(parseAllDocuments(output).map((document): unknown => document.toJS()));
  };

  test('is clean', () => {
    const { status, output } = run('helm', ['lint', '--strict', written()]);
    expect(output).toContain('1 chart(s) linted, 0 chart(s) failed');
    expect(status).toBe(0);
  });

  test('makes what the manifests hold, but for the namespace', () => {
    const manifests = manifestsOf(chartWith(shipperShapes[shape])).filter(({ kind }) => kind !== 'Namespace');
    expect(byId(rendered(release, '--namespace', shape))).toEqual(byId(manifests));
  });

  test('takes other values, and still makes what Kubernetes knows', () => {
    const values = write(
      `${shape}-values.yaml`,
      Yaml.stringify({
        image: { repository: 'other/flicker', digest: `sha256:${'b'.repeat(64)}` },
        registry: { bucket: 'other-state', key: 'flicker/registry.json' },
        aws: { region: 'us-east-1' },
        extraEnv: [{ name: 'MORE', value: 'yes' }],
        extraEgress: [{ ports: [{ port: 6514 }] }],
        nodeSelector: { disk: 'fast' },
        tolerations: [{ operator: 'Exists' }],
        imagePullSecrets: [{ name: 'other' }],
        serviceAccount: { annotations: { team: 'security' } },
        terminationGracePeriodSeconds: 60,
      }),
    );
    const manifests = rendered('audit', '--namespace', 'elsewhere', '--values', values);
    expect(manifests.flatMap(manifestProblems)).toEqual([]);
    const text = JSON.stringify(manifests);
    for (const part of [
      'other/flicker@sha256:bbbb',
      's3://other-state/flicker/registry.json',
      '"MORE"',
      '6514',
      '"fast"',
    ])
      expect(text).toContain(part);
    const [account] = manifests.filter(({ kind }) => kind === 'ServiceAccount');
    expect(account?.metadata.annotations).toMatchObject({ team: 'security' });
    expect(manifests.map(({ metadata }) => metadata.namespace)).toEqual(manifests.map(() => 'elsewhere'));
    expect(text).not.toMatch(/zz9|"flicker-config"/);
    expect(text).toContain('"audit-config"');
  });
});

describe('a release', () => {
  const lone = () => {
    const props = { ...chartProps(), name: 'flicker', shipperName: 'okta', version: '0.1.0' };
    for (const [path, text] of Object.entries(logShipperHelmChart(props))) write(join('lone', path), text);
    return join(folder, 'lone');
  };

  test.each([
    ['an unknown value', 'imagee.tag=1', /additional properties 'imagee' not allowed/],
    [
      'an unknown key of the config',
      'config.destinatoin.type=stdout',
      /additional properties 'destinatoin' not allowed/,
    ],
    ['a value of another type', 'resources.limits=1', /resources\/limits/],
    ['no bucket', 'registry.bucket=', /registry\/bucket/],
    ['a second pod without ha', 'replicas=2', /replicas.*maximum: got 2, want 1/],
    ['ha in a chart without', 'config.ha=true', /config\/ha/],
  ])('refuses %s', (_, set, problem) => {
    const { status, output } = run('helm', ['template', 'flicker', lone(), '--set', set]);
    expect(output).toMatch(problem);
    expect(status).not.toBe(0);
  });

  test('of no pod is one that waits', () => {
    expect(run('helm', ['template', 'flicker', lone(), '--set', 'replicas=0']).status).toBe(0);
  });
});
const ruleSpec = z.object({
  groups: z.array(z.object({ name: z.string(), rules: z.array(z.looseObject({ alert: z.string() })) })),
});

describe('alerts', () => {
  const rulesOf = (shape: string) => {
    const [rule] = manifestsOf(chartWith(shipperShapes[shape])).filter(({ kind }) => kind === 'PrometheusRule');
    return ruleSpec.parse(rule?.spec);
  };

  test.each(['single', 'standby', 'nodes'])('of %s are rules that Prometheus takes', (shape) => {
    const file = write(`${shape}-rules.yaml`, Yaml.stringify(rulesOf(shape)));
    expect(run('promtool', ['check', 'rules', '--lint=all', '--lint-fatal', file])).toEqual({
      status: 0,
      output: expect.stringMatching(/SUCCESS: 7 rules found/),
    });
  });

  const job = 'single/flicker';
  const series = (metric: { readonly name: string }, values: string, labels = 'source="okta"') => ({
    series: `${metric.name}{job="${job}",pod="flicker-1"${labels ? `,${labels}` : ''}}`,
    values,
  });
  const up = { series: `up{job="${job}",pod="flicker-1"}`, values: '1x120' };
  const m = flickerMetrics;

  /** What makes each alert fire, when, and not before. */
  const cases: Readonly<Record<string, { input: object[]; quiet: string; fires: string }>> = {
    FlickerDown: { input: [{ ...up, values: '1x9 0x110' }], quiet: '10m', fires: '20m' },
    FlickerNotSaving: { input: [up, series(m.registryLastSave, '0+60x10 600x110', '')], quiet: '12m', fires: '18m' },
    FlickerDeadLetters: { input: [up, series(m.eventsDeadLettered, '0x20 5x100')], quiet: '15m', fires: '24m' },
    FlickerBytesMissed: { input: [up, series(m.bytesMissed, '0x20 5x100')], quiet: '15m', fires: '24m' },
    FlickerSourcePaused: { input: [up, series(m.sourcePaused, '0x10 1x110')], quiet: '20m', fires: '30m' },
    FlickerSourceSilent: { input: [up, series(m.sourceLastSuccess, '0 60+60x10 660x110')], quiet: '20m', fires: '30m' },
    FlickerRestarting: {
      input: [up, { series: `process_start_time_seconds{job="${job}",pod="flicker-1"}`, values: '1x20 2x2 3x2 4x100' }],
      quiet: '19m',
      fires: '28m',
    },
  };

  test('each has a case', () => {
    const [group] = rulesOf('single').groups;
    expect(Object.keys(cases).sort()).toEqual(group?.rules.map(({ alert }) => alert).sort());
  });

  test.each(Object.keys(cases))('%s fires when it should, and not before', (alert) => {
    const found = cases[alert];
    if (!found) throw new Error(`no case for ${alert}`);
    write('rules.yaml', Yaml.stringify(rulesOf('single')));
    const [rule] = rulesOf('single').groups.flatMap(({ rules }) => rules.filter((one) => one.alert === alert));
    const firing = `ALERTS{alertname="${alert}",alertstate="firing"}`;
    const file = write(
      'rules.test.yaml',
      Yaml.stringify({
        rule_files: ['rules.yaml'],
        evaluation_interval: '1m',
        tests: [
          {
            interval: '1m',
            input_series: found.input,
            promql_expr_test: [
              { expr: `count(${firing})`, eval_time: found.quiet, exp_samples: [] },
              { expr: `count(${firing})`, eval_time: found.fires, exp_samples: [{ labels: '{}', value: 1 }] },
            ],
          },
        ],
      }),
    );
    expect(rule).toBeDefined();
    expect(run('promtool', ['test', 'rules', file])).toEqual({ status: 0, output: expect.stringMatching(/SUCCESS/) });
  });
});

const panels = z.object({
  panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
});

test('every query of the dashboard is one that Prometheus takes', () => {
  const [config] = manifestsOf(chartWith(shipperShapes.single)).filter(({ metadata }) =>
    /dashboard/.test(metadata.name),
  );
  const data = z.record(z.string(), z.string()).parse(config?.data);
  const found = panels.parse(JSON.parse(data['flicker.json'] ?? '{}')).panels.flatMap(({ targets }) => targets);
  expect(found.length).toBeGreaterThan(12);
  const rules = found.map(({ expr }, index) => ({
    record: `panel:${index}`,
    expr: expr.replaceAll('$__rate_interval', '5m'),
  }));
  const file = write('panels.yaml', Yaml.stringify({ groups: [{ name: 'panels', rules }] }));
  expect(run('promtool', ['check', 'rules', file])).toEqual({ status: 0, output: expect.stringMatching(/SUCCESS/) });
});

/** Rules of kube-score that this package decides otherwise, and why. */
const decided = [
  // A container's own log counts as well, and nothing else is written.
  'container-ephemeral-storage-request-and-limit',
  // Images are named by tag or digest, and must start where the registry is away.
  'container-image-pull-policy',
];

test.each(Object.keys(shipperShapes))('kube-score has nothing against %s', (shape) => {
  const text = Yaml.stringify(...manifestsOf(chartWith(shipperShapes[shape])));
  const ignored = decided.flatMap((rule) => ['--ignore-test', rule]);
  const { output } = run('kube-score', ['score', '--output-format', 'ci', ...ignored, '-'], text);
  expect(output.split('\n').filter((line) => /^\[(CRITICAL|WARNING)\]/.test(line))).toEqual([]);
});
