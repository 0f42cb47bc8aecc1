#!/usr/bin/env bash
# Terraform, as plan/deploy.ts has cdktf deploy run it: apply takes the plan that was compared, and makes none of its own.
# Terraform refuses the plan where the state has changed since.
set -euo pipefail
if [[ ${1-} == apply ]]; then
  exec "$TWEEDLE_TERRAFORM" apply -input=false "$TWEEDLE_PLAN_FILE"
fi
exec "$TWEEDLE_TERRAFORM" "$@"
