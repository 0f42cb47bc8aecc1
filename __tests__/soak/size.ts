const sizes = ["full", "short"];
const asked = process.env["TWEEDLE_SOAK"] || "full";
if (!sizes.includes(asked)) throw new Error(`TWEEDLE_SOAK must be full or short, not ${asked}.`);

/** Whether a soak is to be a short one: TWEEDLE_SOAK=short, for CI. */
export const isShort = asked === "short";
