import { Token, Tokenization, Validations } from 'aws-cdk-lib';
import type * as s3 from 'aws-cdk-lib/aws-s3';
import { BucketDeployment, Source } from 'aws-cdk-lib/aws-s3-deployment';
import { ApiObject, Chart, DependencyGraph, Yaml } from 'cdk8s';
import type { Construct } from 'constructs';
import { isTokenProblem, tokenFields } from './tokens';

export interface ManifestsAssetProps {
  /** Charts whose objects go into the file, in this order. */
  readonly charts: readonly Chart[];
  /** Bucket that Flux, or whoever applies the manifests, reads. */
  readonly destinationBucket: s3.IBucket;
  /**
   * Key of the file. Other objects below its folder stay.
   *
   * @default 'manifests.yaml'
   */
  readonly key?: string;
}

/**
 * Writes the manifests of charts into a bucket whenever the stack is deployed. CDK tokens in them, such as the name of a
 * bucket or the ARN of a role, are filled in then. Nothing talks to the cluster.
 *
 * This uses the CDK's `BucketDeployment`, a Lambda function: the only one in this package, and only where this is called.
 */
export function manifestsAsset(scope: Construct, id: string, props: ManifestsAssetProps): BucketDeployment {
  const { charts, destinationBucket, key = 'manifests.yaml' } = props;
  const [folder, file] = [key.slice(0, key.lastIndexOf('/') + 1), key.slice(key.lastIndexOf('/') + 1)];
  const objects = charts.flatMap(objectsOf);
  const deployment = new BucketDeployment(scope, id, {
    sources: [Source.data(file, deliverableText(objects), { jsonEscape: true })],
    destinationBucket,
    destinationKeyPrefix: folder === '' ? undefined : folder,
    prune: false,
  });
  if (tokenFields(objects).length === 0) {
    Validations.of(deployment).addWarning(
      'holdfast:manifestsWithoutTokens',
      'these manifests hold nothing that is known only at deployment: commit them instead, and save the Lambda function',
    );
  }
  return deployment;
}

/** A control character, which makes YAML write a text in quotes. */
const QUOTE = '\0';

/** YAML in which a text that is filled in stays a text, whatever it turns out to be: an account id is no number. */
function deliverableText(objects: readonly unknown[]): string {
  return Yaml.stringify(...objects.map(withQuotes)).replaceAll('"\\0', '"');
}

function withQuotes(value: unknown): unknown {
  // Over several lines it is a block, and as such a text.
  if (typeof value === 'string') return Token.isUnresolved(value) && !value.includes('\n') ? `${QUOTE}${value}` : value;
  if (typeof value === 'number') return Token.isUnresolved(value) ? Tokenization.stringifyNumber(value) : value;
  if (Array.isArray(value)) return value.map(withQuotes);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, withQuotes(item)]));
}

/** What `chart.toJson()` gives, which refuses tokens: every object of the chart, those that others need first. */
function objectsOf(chart: Chart): unknown[] {
  const problems = chart.node
    .findAll()
    .flatMap(({ node }) => node.validate())
    .filter((text) => !isTokenProblem(text));
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return new DependencyGraph(chart.node)
    .topology()
    .filter((found): found is ApiObject => ApiObject.isApiObject(found))
    .filter((object) => Chart.of(object) === chart)
    .map((object): unknown => object.toJson());
}
