import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { Wafv2WebAcl } from "@cdktf/provider-aws/lib/wafv2-web-acl";
import { Wafv2WebAclAssociation } from "@cdktf/provider-aws/lib/wafv2-web-acl-association";
import { Wafv2WebAclLoggingConfiguration } from "@cdktf/provider-aws/lib/wafv2-web-acl-logging-configuration";
import { Construct } from "constructs";
import { WAF_LOGS } from "../arns";
import type { UrlApi } from "./url-api";

export interface WebAclProps {
  readonly webAclName: string;
  readonly api: UrlApi;
  /** Requests that an address may make in 5 minutes. The others are told 429, by the API's own answer. */
  readonly rateLimit: number;
}

/** Headers that are credentials, or sign a request. */
const SECRET_HEADERS = ["authorization", "x-amz-security-token", "x-api-key"];

/**
 * A firewall before an API, which lets each address make so many requests and no more, and logs those that it blocks.
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
    const logs = new CloudwatchLogGroup(this, "logs", {
      name: `${WAF_LOGS}${webAclName}`,
      retentionInDays: 365,
    });
    new Wafv2WebAclLoggingConfiguration(this, "logging", {
      resourceArn: this.webAcl.arn,
      logDestinationConfigs: [logs.arn],
      loggingFilter: {
        defaultBehavior: "DROP",
        filter: [
          {
            behavior: "KEEP",
            requirement: "MEETS_ANY",
            condition: [{ actionCondition: { action: "BLOCK" } }],
          },
        ],
      },
      redactedFields: [{ queryString: {} }, ...SECRET_HEADERS.map((name) => ({ singleHeader: { name } }))],
    });
  }
}
