import { Duration } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { flickerEvents, progressFields } from '../../../contract';
import { normalizedTemplate } from '../../../lib/testing';
import { plainConfig, shipperIn, testStack } from '../support/app';

test('the template of a monitored shipper', () => {
  const stack = testStack();
  shipperIn(stack).monitor();
  const template = normalizedTemplate(stack);
  const resources = Object.entries(Object(template.Resources)).filter(([id]) => id.includes('Monitoring'));
  expect(Object.fromEntries(resources)).toMatchSnapshot();
});

test('is opt-in and adds no permission', () => {
  const policies = (monitored: boolean) => {
    const stack = testStack();
    const shipper = shipperIn(stack);
    if (monitored) shipper.monitor();
    const template = Template.fromStack(stack);
    template.resourceCountIs('AWS::CloudWatch::Alarm', monitored ? 3 : 0);
    template.resourceCountIs('AWS::CloudWatch::Dashboard', monitored ? 1 : 0);
    return [template.findResources('AWS::IAM::Policy'), template.findResources('AWS::IAM::Role')];
  };
  expect(policies(true)).toEqual(policies(false));
});

test('counts every number of a progress line, and two events', () => {
  const stack = testStack();
  shipperIn(stack, { stage: 'test', shipperName: 'audit' }).monitor();
  const template = Template.fromStack(stack);
  template.resourceCountIs('AWS::Logs::MetricFilter', Object.keys(progressFields).length + 2);
  for (const field of Object.values(progressFields)) {
    template.hasResourceProperties('AWS::Logs::MetricFilter', {
      FilterPattern: `{ $.event = "${flickerEvents.progress}" }`,
      MetricTransformations: [
        { MetricName: field, MetricNamespace: 'Holdfast/flicker/test/audit', MetricValue: `$.${field}` },
      ],
    });
  }
  template.hasResourceProperties('AWS::Logs::MetricFilter', {
    FilterPattern: `{ $.event = "${flickerEvents.started}" }`,
    MetricTransformations: [{ MetricName: 'starts', MetricValue: '1' }],
  });
});

test('alarms when nothing was saved, missing data included', () => {
  const stack = testStack();
  shipperIn(stack).monitor({ maxTimeWithoutSave: Duration.minutes(10) });
  Template.fromStack(stack).hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'saves',
    Statistic: 'Sum',
    Period: 60,
    EvaluationPeriods: 10,
    Threshold: 1,
    ComparisonOperator: 'LessThanThreshold',
    TreatMissingData: 'breaching',
  });
});

test('alarms on dead letters and on restarts, and tells whom you name', () => {
  const stack = testStack();
  const topic = new Topic(stack, 'Topic');
  shipperIn(stack).monitor({ maxStarts: 5, alarmActions: [new SnsAction(topic)] });
  const template = Template.fromStack(stack);
  const common = { TreatMissingData: 'notBreaching', AlarmActions: [{ Ref: Match.stringLikeRegexp('Topic') }] };
  template.hasResourceProperties('AWS::CloudWatch::Alarm', { MetricName: 'deadLetters', Threshold: 1, ...common });
  template.hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'starts',
    Period: 900,
    Threshold: 5,
    ...common,
  });
});

test.each([
  [false, undefined, 3],
  [true, undefined, 6],
  [true, 3, 9],
])('a deployment is no alarm on restarts, also with standbys (ha %s, %s tasks)', (ha, desiredCount, threshold) => {
  const stack = testStack();
  shipperIn(stack, { config: plainConfig({ ha }), desiredCount }).monitor();
  Template.fromStack(stack).hasResourceProperties('AWS::CloudWatch::Alarm', {
    MetricName: 'starts',
    Threshold: threshold,
  });
});

test('gives each metric, with options', () => {
  const shipper = shipperIn(testStack());
  const monitoring = shipper.monitor();
  expect(monitoring.metric('lagBytes').statistic).toBe('Maximum');
  expect(monitoring.metric('delivered', { period: Duration.hours(1) })).toMatchObject({
    metricName: 'delivered',
    namespace: 'Holdfast/flicker/prod/Shipper',
    statistic: 'Sum',
    period: Duration.hours(1),
  });
  expect(shipper.metricCpuUtilization().metricName).toBe('CPUUtilization');
  expect(shipper.metricMemoryUtilization().metricName).toBe('MemoryUtilization');
});

test.each([Duration.minutes(1), Duration.seconds(150)])('fails on %p without a save', (maxTimeWithoutSave) => {
  expect(() => shipperIn(testStack()).monitor({ maxTimeWithoutSave })).toThrow(
    /^maxTimeWithoutSave of Test\/Shipper: got [\d.]+ minutes, expected whole minutes, at least 2: the program reports once a minute; use a longer time$/,
  );
});
