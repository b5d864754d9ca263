import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { readSettings } from '../../bin/settings';
import { ServiceStack, StateStack } from '../../bin/stacks';
import { plainConfig, testApp } from '../lib/support/app';
import { containerIn } from '../lib/support/containers';

const settingsOf = (context: Readonly<Record<string, unknown>>) => readSettings((name) => context[name]);

function deployed(context: Readonly<Record<string, unknown>>) {
  const app = testApp({ context: { '@aws-cdk/core:defaultCrossStackReferences': 'strong' } });
  const state = new StateStack(app, 'State', { terminationProtection: true });
  const service = new ServiceStack(app, 'Service', { ...settingsOf(context), registry: state.registry });
  return { state, service };
}

test('without context, the example is deployed in two stacks', () => {
  const { state, service } = deployed({});
  expect(state.terminationProtection).toBe(true);
  Template.fromStack(state).resourceCountIs('AWS::S3::Bucket', 1);
  const template = Template.fromStack(service);
  template.resourceCountIs('AWS::S3::Bucket', 0);
  template.resourceCountIs('AWS::ECS::Service', 1);
  template.resourceCountIs('AWS::CloudWatch::Alarm', 0);
  expect(service.dependencies).toEqual([state]);
});

test('context gives config, secrets, environment, a writer of log files, alarms, and a network without NAT', () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-app-'));
  try {
    const config = join(folder, 'config.json');
    writeFileSync(config, JSON.stringify(plainConfig({ log_files: [{ path: '/var/log/app/*.log' }] })));
    const { service } = deployed({
      stage: 'test',
      config,
      secrets: '{"TOKEN":"flicker/token"}',
      environment: { LEVEL: 'high' },
      logVolume: '/var/log/app',
      writer: '{"image":"app:1","command":["write"]}',
      monitor: 'true',
      nat: 'false',
    });
    const template = Template.fromStack(service);
    template.resourceCountIs('AWS::CloudWatch::Alarm', 3);
    template.resourceCountIs('AWS::EC2::NatGateway', 0);
    template.resourceCountIs('AWS::Lambda::Function', 0);
    template.hasResourceProperties('AWS::ECS::Service', {
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' } },
    });
    expect(containerIn(service, 'writer')).toMatchObject({ Image: 'app:1', Command: ['write'], Essential: false });
    const flicker = containerIn(service, 'flicker');
    expect(flicker.Secrets?.map(({ Name }) => Name)).toEqual(['TOKEN']);
    expect(flicker.Environment).toContainEqual({ Name: 'LEVEL', Value: 'high' });
    expect(flicker.Environment).toContainEqual({ Name: 'FLICKER_CLUSTER_ID', Value: 'test/Shipper' });
    template.hasResourceProperties('AWS::ECS::TaskDefinition', { Volumes: Match.arrayWith([{ Name: 'logs' }]) });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each<[Record<string, unknown>, string]>([
  [{ stage: 1 }, 'context "stage": expected text, got 1'],
  [{ monitor: 'yes' }, 'context "monitor": expected true or false, got yes'],
  [{ config: '/no/such/file' }, 'context "config": cannot read /no/such/file as JSON'],
  [{ secrets: 'TOKEN' }, 'context "secrets": expected a JSON object, got TOKEN'],
  [{ secrets: '1' }, 'context "secrets": expected a JSON object, got "1"'],
  [{ environment: '{"A":1}' }, 'context "environment": expected text for A, got 1'],
  [{ writer: '{"command":[]}' }, 'context "writer": expected {"image": "…", "command": ["…"]}'],
])('fails on %p', (context, message) => {
  expect(() => settingsOf(context)).toThrow(message);
});
