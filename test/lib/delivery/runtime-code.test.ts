import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Template } from 'aws-cdk-lib/assertions';
import * as ecs from 'aws-cdk-lib/aws-ecs';
import { bundleEnvironment, bundlePath, nodeCommand, runtimeImages } from '../../../contract';
import { RuntimeCode } from '../../../lib';
import { bundleFile } from '../../../lib/delivery/bundle-file';
import { shipperIn, testStack } from '../support/app';
import { containerIn } from '../support/containers';

const built = join(__dirname, '../../../dist/runtime/flicker/flicker.mjs');
const digest = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('the bundle', () => {
  test('is copied and checked by a container that nothing depends on afterwards', () => {
    const stack = testStack();
    shipperIn(stack);
    expect(containerIn(stack, 'bundle')).toMatchObject({
      Image: 'public.ecr.aws/aws-cli/aws-cli:2.36.44',
      Essential: false,
      User: '0:0',
      ReadonlyRootFilesystem: true,
      EntryPoint: ['/bin/sh', '-c'],
      Command: [
        'set -eu\n' +
          'aws s3 cp --only-show-errors "$HOLDFAST_BUNDLE_URL" "$HOLDFAST_BUNDLE_TARGET"\n' +
          'echo "$HOLDFAST_BUNDLE_SHA256  $HOLDFAST_BUNDLE_TARGET" | sha256sum -c -',
      ],
      MountPoints: [{ SourceVolume: 'runtime', ContainerPath: '/holdfast', ReadOnly: false }],
    });
    expect(containerIn(stack, 'bundle').Environment).toEqual([
      {
        Name: bundleEnvironment.url,
        Value: { 'Fn::Sub': expect.stringMatching(/^s3:\/\/cdk-.*-assets-.*\/[0-9a-f]{64}\.mjs$/) },
      },
      { Name: bundleEnvironment.sha256, Value: createHash('sha256').update(readFileSync(built)).digest('hex') },
      { Name: bundleEnvironment.target, Value: '/holdfast/flicker.mjs' },
      { Name: 'HOME', Value: '/holdfast' },
      { Name: 'TMPDIR', Value: '/holdfast' },
    ]);
  });

  test('is run by a stock Node image that waits for the copy and cannot change it', () => {
    const stack = testStack();
    shipperIn(stack);
    expect(containerIn(stack, 'flicker')).toMatchObject({
      Image: 'public.ecr.aws/docker/library/node:24.21.0-bookworm-slim',
      DependsOn: [{ ContainerName: 'bundle', Condition: 'SUCCESS' }],
      MountPoints: [{ SourceVolume: 'runtime', ContainerPath: '/holdfast', ReadOnly: true }],
    });
  });

  test('needs root for nothing else', () => {
    const stack = testStack();
    shipperIn(stack);
    const users = ['bundle', 'flicker'].map((name) => containerIn(stack, name).User);
    expect(users).toEqual(['0:0', '10001:10001']);
  });

  test('takes the images by digest', () => {
    const stack = testStack();
    shipperIn(stack, { code: RuntimeCode.bundle({ nodeDigest: digest, awsCliDigest: digest }) });
    expect(containerIn(stack, 'flicker').Image).toBe(`public.ecr.aws/docker/library/node@${digest}`);
    expect(containerIn(stack, 'bundle').Image).toBe(`public.ecr.aws/aws-cli/aws-cli@${digest}`);
  });

  test('fails on a digest that is none', () => {
    expect(() => RuntimeCode.bundle({ nodeDigest: '24.21.0' })).toThrow(
      'nodeDigest: got "24.21.0", expected "sha256:" and 64 hexadecimal digits; take the digest of public.ecr.aws/docker/library/node from its registry',
    );
  });

  test('fails when it was not built, with the way out', () => {
    expect(() => bundleFile('missing')).toThrow(
      /^the runtime of missing is missing: expected .*dist.runtime.missing.missing\.mjs; run "npm run build"/,
    );
  });
});

test('runtime/Dockerfile starts from the same Node image, as nobody, with the same program', () => {
  const dockerfile = readFileSync(join(__dirname, '../../../runtime/Dockerfile'), 'utf8');
  const { repository, tag } = runtimeImages.node;
  expect(dockerfile).toContain(`ARG NODE_IMAGE=${repository}:${tag}\n`);
  expect(dockerfile).toContain('USER 10001:10001\n');
  expect(dockerfile).toContain(
    `ENTRYPOINT ${JSON.stringify([...nodeCommand, bundlePath('flicker')]).replaceAll(',', ', ')}`,
  );
});

test('an image of your own needs no bundle, no copy and no root', () => {
  const stack = testStack();
  shipperIn(stack, { code: RuntimeCode.image(ecs.ContainerImage.fromRegistry('company/flicker:1')) });
  const flicker = containerIn(stack, 'flicker');
  expect(flicker).toMatchObject({ Image: 'company/flicker:1', EntryPoint: [...nodeCommand], User: '10001:10001' });
  expect(flicker.DependsOn).toBeUndefined();
  expect(() => containerIn(stack, 'bundle')).toThrow('no container "bundle"');
  expect(JSON.stringify(Template.fromStack(stack).toJSON())).not.toContain('-assets-');
});
