import { Stack, Validations, type CfnResource } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

/**
 * Accepts findings of cdk-nag's AwsSolutions pack that a construct causes on purpose, so that a user's own check stays
 * clean. Each reason is one sentence. Without cdk-nag this has no effect.
 */
export function acknowledge(scope: IConstruct, reasons: Readonly<Record<string, string>>): void {
  Validations.of(scope).acknowledge(
    ...Object.entries(reasons).map(([rule, reason]) => ({ id: `AwsSolutions-${rule}`, reason })),
  );
}

/**
 * Accepts a finding of the template's own rules, for the CDK's built-in validation and for cfn-lint, which reads it from
 * the resource's metadata.
 */
export function acknowledgeTemplateRule(resource: CfnResource, rule: string, reason: string): void {
  Validations.of(resource).acknowledge({ id: `CloudFormation-Validate::${rule}`, reason });
  resource.addMetadata('cfn-lint', { config: { ignore_checks: [rule] } });
}

/** Accepts wildcard resources in the policies of a principal. */
export function acknowledgeWildcards(principal: IConstruct, arns: readonly string[], reason: string): void {
  principal.node.addValidation({
    // The finding's id holds the resolved ARN, which is final only after cross-stack references are: at validation.
    validate: () => {
      const stack = Stack.of(principal);
      for (const arn of arns) {
        Validations.of(principal).acknowledge({
          id: `AwsSolutions-IAM5[Resource::${flatten(stack.resolve(arn))}]`,
          reason,
        });
      }
      return [];
    },
  });
}

/** An ARN with its intrinsics as `<LogicalId>` and `<LogicalId.Attribute>`, as cdk-nag writes it. */
function flatten(value: unknown): string {
  if (typeof value === 'string') return value.replaceAll('${', '<').replaceAll('}', '>');
  if (typeof value !== 'object' || value === null) return String(value);
  const [[intrinsic, argument] = ['', undefined]] = Object.entries(value);
  if (intrinsic === 'Ref') return `<${flatten(argument)}>`;
  if (intrinsic === 'Fn::GetAtt' && Array.isArray(argument)) return `<${argument.map(flatten).join('.')}>`;
  if (intrinsic === 'Fn::Join' && Array.isArray(argument) && Array.isArray(argument[1])) {
    return argument[1].map(flatten).join(String(argument[0]));
  }
  if (intrinsic === 'Fn::Sub' || intrinsic === 'Fn::ImportValue') return flatten(argument);
  return JSON.stringify(value);
}
