import { chartWith, manifestsOf, shapes } from '../support/charts';
import { manifestProblems } from '../support/manifests';

describe.each(Object.keys(shapes))('%s', (shape) => {
  test('has no field that Kubernetes does not know, and all that it asks for', () => {
    const manifests = manifestsOf(shapes[shape]?.() ?? chartWith());
    expect(manifests.length).toBeGreaterThan(0);
    expect(manifests.flatMap(manifestProblems)).toEqual([]);
  });
});

describe('what the check refuses', () => {
  const [deployment] = manifestsOf(chartWith()).filter(({ kind }) => kind === 'Deployment');
  if (!deployment) throw new Error('there is no deployment');

  test.each([
    [{ spec: { ...Object(deployment.spec), replcas: 1 } }, /replcas/],
    [{ spec: { ...Object(deployment.spec), replicas: '1' } }, /spec\/replicas: must be integer/],
    [{ spec: {} }, /must have required property 'selector'/],
    [{ kind: 'Deploymnt' }, /there is no schema/],
  ])('%j', (change, problem) => {
    expect(manifestProblems({ ...deployment, ...change }).join('\n')).toMatch(problem);
  });

  test('a field of a custom resource', () => {
    const [monitor] = manifestsOf(chartWith({ monitoring: {} })).filter(({ kind }) => kind === 'PodMonitor');
    if (!monitor) throw new Error('there is no PodMonitor');
    const spec: unknown = { ...Object(monitor.spec), podMetricsEndpoints: [{ port: 'http', intervall: '30s' }] };
    expect(manifestProblems({ ...monitor, spec }).join('\n')).toMatch(/intervall/);
  });
});
