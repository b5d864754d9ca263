import { completeTaskDefinition } from '../../../dev/ecs/definition';

const arn = 'arn:aws:ecs:us-east-1:000000000000:task-definition/shop:7';
const refused = (): never => {
  throw new Error('resolved a value that the API has');
};

test('takes what the API has lost from the template, and nothing else', () => {
  const definition = completeTaskDefinition(
    {
      arn,
      containerDefinitions: [
        {
          name: 'main',
          image: 'node:24',
          environment: [{ name: 'A', value: 'b' }],
          secrets: [{}],
          healthCheck: {},
          restartPolicy: {},
          dependsOn: [{}],
          mountPoints: [{ sourceVolume: 'v', containerPath: '/v' }],
        },
        { name: 'init', image: 'aws-cli', essential: false },
      ],
      volumes: [{}],
    },
    {
      properties: {
        Volumes: [{ Name: 'v' }],
        ContainerDefinitions: [
          { Name: 'init' },
          {
            Name: 'main',
            Environment: [{ Name: 'A', Value: { Lost: true } }],
            Secrets: [{ Name: 'TOKEN', ValueFrom: 'arn' }],
            HealthCheck: { Command: ['CMD', 'true'], Interval: 5 },
            RestartPolicy: { Enabled: true, IgnoredExitCodes: [3] },
            DependsOn: [{ ContainerName: 'init', Condition: 'SUCCESS' }],
            StopTimeout: 90,
          },
        ],
      },
      resolve: (value) => (JSON.stringify(value)?.includes('Lost') ? refused() : value),
    },
  );
  expect(definition).toMatchObject({ family: 'shop', revision: '7', volumes: ['v'] });
  expect(definition.containers[0]).toMatchObject({
    environment: [{ name: 'A', value: 'b' }],
    secrets: [{ name: 'TOKEN', valueFrom: 'arn' }],
    healthCheck: { command: ['CMD', 'true'], interval: 5, timeout: 5, retries: 3, startPeriod: 0 },
    restartPolicy: { enabled: true, ignoredExitCodes: [3], restartAttemptPeriod: 60 },
    dependsOn: [{ containerName: 'init', condition: 'SUCCESS' }],
    stopTimeout: 90,
    essential: true,
  });
  expect(definition.containers[1]).toMatchObject({ essential: false, stopTimeout: 30, secrets: [] });
});

test('a whole answer of the API needs no template', () => {
  const secrets = [{ name: 'TOKEN', valueFrom: 'arn' }];
  const api = { arn, containerDefinitions: [{ name: 'main', image: 'node:24', secrets }], volumes: [] };
  expect(completeTaskDefinition(api, undefined).containers[0]?.secrets).toEqual(secrets);
});

test.each<[string, object, RegExp]>([
  [
    'a lost field without a template',
    { secrets: [{}] },
    /container main is not whole, neither in the API nor in a deployed template: secrets\.0\.name/,
  ],
  [
    'a mount of no volume',
    { mountPoints: [{ sourceVolume: 'gone', containerPath: '/v' }] },
    /main mounts gone, which is no volume/,
  ],
  [
    'a dependency on no container',
    { dependsOn: [{ containerName: 'gone', condition: 'START' }] },
    /main depends on gone, which is no container/,
  ],
  [
    'what cannot be played',
    { environmentFiles: [{ value: 'arn', type: 's3' }] },
    /main uses environmentFiles, which cannot be played/,
  ],
])('refuses %s', (_, fields, message) =>
  expect(() =>
    completeTaskDefinition(
      { arn, containerDefinitions: [{ name: 'main', image: 'node', ...fields }], volumes: [] },
      undefined,
    ),
  ).toThrow(message),
);
