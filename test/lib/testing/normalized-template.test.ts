import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CfnOutput } from 'aws-cdk-lib';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { normalizedTemplate } from '../../../lib/testing';
import { testStack } from '../support/app';

/** A stack with a function, a version of it and an asset, all with this content. */
function stackWith(content: string, memorySize = 128) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-asset-'));
  try {
    const path = join(folder, 'index.js');
    writeFileSync(path, content);
    const stack = testStack({ analyticsReporting: true });
    const code = new lambda.Function(stack, 'Function', {
      runtime: lambda.Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(folder),
      memorySize,
    });
    new CfnOutput(stack, 'Version', { value: code.currentVersion.functionArn });
    new CfnOutput(stack, 'Url', { value: new Asset(stack, 'Asset', { path }).s3ObjectUrl });
    return stack;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('another content gives the same text', () => {
  expect(JSON.stringify(normalizedTemplate(stackWith('first')))).toBe(
    JSON.stringify(normalizedTemplate(stackWith('second'))),
  );
});

test('another setting gives another text', () => {
  expect(normalizedTemplate(stackWith('same', 256))).not.toEqual(normalizedTemplate(stackWith('same')));
});

test('what the CDK adds by itself is left out, what you wrote is kept', () => {
  const stack = testStack();
  stack.addMetadata('Owner', 'platform');
  const output = new CfnOutput(stack, 'Output', { value: 'x' });
  output.node.addMetadata('aws:cdk:path', 'Test/Output');
  expect(normalizedTemplate(stack)).toEqual({ Metadata: { Owner: 'platform' }, Outputs: { Output: { Value: 'x' } } });
});

test('the stack keeps its own template', () => {
  const stack = stackWith('first');
  const before = JSON.stringify(normalizedTemplate(stack));
  expect(JSON.stringify(normalizedTemplate(stack))).toBe(before);
});
