import { ApiGatewayApiKey } from "@cdktf/provider-aws/lib/api-gateway-api-key";
import { ApiGatewayUsagePlan } from "@cdktf/provider-aws/lib/api-gateway-usage-plan";
import { ApiGatewayUsagePlanKey } from "@cdktf/provider-aws/lib/api-gateway-usage-plan-key";
import { Construct } from "constructs";
import type { UrlApi } from "./url-api";

export interface ApiKeysProps {
  /** The usage plan's name, and what the keys' names begin with. */
  readonly planName: string;
  readonly api: UrlApi;
  /** Who gets a key: each a name. */
  readonly holders: readonly string[];
  /** Requests a second that each key may make on average, over all methods. */
  readonly throttlingRateLimit: number;
  /** Requests at once that each key may make beyond that. */
  readonly throttlingBurstLimit: number;
}

/**
 * Keys to an API's methods that want one, in a plan that throttles each by itself. AWS makes their values, which are
 * secrets: they are found by the keys' ids, and in Terraform's state.
 *
 * https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-api-usage-plans.html
 */
export class ApiKeys extends Construct {
  readonly plan: ApiGatewayUsagePlan;
  /** By holder. */
  readonly keys: Readonly<Record<string, ApiGatewayApiKey>>;

  constructor(scope: Construct, id: string, props: ApiKeysProps) {
    super(scope, id);
    const { planName, api, holders, throttlingRateLimit, throttlingBurstLimit } = props;
    this.plan = new ApiGatewayUsagePlan(this, "plan", {
      name: planName,
      apiStages: [{ apiId: api.restApi.id, stage: api.stage.stageName }],
      throttleSettings: { rateLimit: throttlingRateLimit, burstLimit: throttlingBurstLimit },
    });
    this.keys = Object.fromEntries(
      holders.map((holder) => [
        holder,
        new ApiGatewayApiKey(this, `key-${holder}`, { name: `${planName}-${holder}` }),
      ]),
    );
    for (const [holder, key] of Object.entries(this.keys)) {
      new ApiGatewayUsagePlanKey(this, `plan-key-${holder}`, {
        keyId: key.id,
        keyType: "API_KEY",
        usagePlanId: this.plan.id,
      });
    }
  }
}
