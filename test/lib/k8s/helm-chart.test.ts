import { parse } from 'yaml';
import { helmChart, helmField, HELM_NAMESPACE, HELM_RELEASE, type HelmChartProps } from '../../../lib/k8s/helm-chart';
import { logShipperHelmChart } from '../../../lib/k8s';
import { chartProps, shipperShapes } from '../support/charts';

const object = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: HELM_RELEASE, namespace: HELM_NAMESPACE, annotations: { a: 'b {{ $value }}' } },
  spec: { list: [{ name: 'x' }], tree: { a: 1 }, count: 2, text: 'old', uid: `${HELM_NAMESPACE}-${HELM_RELEASE}` },
};
const props: HelmChartProps = {
  name: 'pod',
  version: '1.2.3',
  description: 'A pod',
  objects: [object],
  values: { count: { description: 'How many.', default: 2, schema: { type: 'integer' } } },
  places: [
    { type: 'value', at: { kind: 'Pod', path: ['spec', 'count'] }, value: 'count' },
    { type: 'value', at: { kind: 'Pod', path: ['spec', 'tree'] }, value: 'tree' },
    { type: 'text', at: { kind: 'Pod', path: ['spec', 'text'] }, text: '{{ .Values.a | quote }}' },
    { type: 'append', at: { kind: 'Pod', path: ['spec', 'list'] }, value: 'more' },
    { type: 'optional', at: { kind: 'Pod', path: ['metadata', 'labels'] }, value: 'labels' },
  ],
  conditions: { Pod: '.Values.enabled' },
  notes: 'Done.',
};

test('puts expressions where values go, and leaves what only looks like one', () => {
  expect(helmChart(props)).toMatchSnapshot();
});

test('a place that is nowhere is an error that names it', () => {
  expect(() => helmField([object], { kind: 'Pod', path: ['spec', 'lost'] })).toThrow(
    'Pod of a Helm chart: got no such field, expected spec.lost',
  );
});

test.each(Object.keys(shipperShapes))(
  'the chart of %s has a value for what users change, and no mark is left',
  (shape) => {
    const files = logShipperHelmChart({
      ...chartProps(shipperShapes[shape]),
      name: 'flicker',
      shipperName: 'okta',
      version: '0.1.0',
    });
    expect(Object.entries(files).filter(([, text]) => text.includes('zz9'))).toEqual([]);
    const values = Object.keys(Object(parse(files['values.yaml'] ?? '')));
    expect(values).toEqual(
      expect.arrayContaining(['image', 'resources', 'config', 'registry', 'aws', 'serviceAccount', 'secrets']),
    );
    const used = (key: string) =>
      Object.entries(files).some(([path, text]) => path.startsWith('templates/') && text.includes(`.Values.${key}`));
    // Objects of values that a chart may leave empty have nothing that uses them.
    const empty = ['environment', 'secrets'];
    expect(values.filter((key) => !used(key) && !empty.includes(key))).toEqual([]);
  },
);
