/** Names a stage's stack, as `cdktf deploy` takes it, and its folder in `cdktf.out/stacks`. */
export const stackName = (stage: string): string => `producer-consumer-${stage}`;
