import { Wafv2WebAcl } from "@cdktf/provider-aws/lib/wafv2-web-acl";
import { Wafv2WebAclAssociation } from "@cdktf/provider-aws/lib/wafv2-web-acl-association";
import { Construct } from "constructs";
import type { UrlApi } from "./url-api";

export interface WebAclProps {
  readonly webAclName: string;
  readonly api: UrlApi;
  /** Requests that an address may make in 5 minutes. The others are told 429, by the API's own answer. */
  readonly rateLimit: number;
}

/**
 * A firewall before an API, which lets each address make so many requests and no more.
 *
 * https://docs.aws.amazon.com/waf/latest/developerguide/waf-rule-statement-type-rate-based.html
 */
export class WebAcl extends Construct {
  readonly webAcl: Wafv2WebAcl;

  constructor(scope: Construct, id: string, { webAclName, api, rateLimit }: WebAclProps) {
    super(scope, id);
    const visibilityConfig = (metricName: string) => ({
      metricName,
      cloudwatchMetricsEnabled: true,
      // Samples are requests with their headers.
      sampledRequestsEnabled: false,
    });
    this.webAcl = new Wafv2WebAcl(this, "web-acl", {
      name: webAclName,
      scope: "REGIONAL",
      defaultAction: { allow: {} },
      rule: [
        {
          name: "rate-of-an-address",
          priority: 0,
          action: { block: {} },
          // In Terraform's words: cdktf has no types for statements.
          statement: {
            rate_based_statement: {
              limit: rateLimit,
              aggregate_key_type: "IP",
              evaluation_window_sec: 300,
            },
          },
          visibilityConfig: visibilityConfig(`${webAclName}-rate-of-an-address`),
        },
      ],
      visibilityConfig: visibilityConfig(webAclName),
    });
    new Wafv2WebAclAssociation(this, "association", {
      resourceArn: api.stage.arn,
      webAclArn: this.webAcl.arn,
    });
  }
}
