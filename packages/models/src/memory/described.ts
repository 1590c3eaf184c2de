/** Which tensors the graphs of this folder use. A model with others has steps that are not known here. */

/** Tensors of a layer that the blocks here have. */
const DESCRIBED: ReadonlySet<string> = new Set(
  `attn_norm attn_norm_2 attn_q attn_k attn_v attn_qkv attn_output attn_q_norm attn_k_norm attn_sinks attn_gate post_attention_norm
  attn_q_a attn_q_a_norm attn_q_b attn_kv_a_mqa attn_kv_a_norm attn_k_b attn_v_b attn_kv_b ffn_norm post_ffw_norm ffn_gate ffn_up
  ffn_down ffn_gate_inp exp_probs_b ffn_gate_exps ffn_up_exps ffn_down_exps ffn_gate_up_exps ffn_gate_shexp ffn_up_shexp
  ffn_down_shexp ffn_gate_inp_shexp shortconv.conv shortconv.in_proj shortconv.out_proj ssm_in ssm_conv1d ssm_dt ssm_a
  ssm_x ssm_dt_norm ssm_b_norm ssm_c_norm ssm_d ssm_norm ssm_out ssm_beta ssm_alpha rope_freqs`.split(/\s+/),
);
const LAYER = /^blk\.\d+\.(.+?)(?:\.weight|\.bias)?$/;

/** Whether the order of the steps is known in which a tensor is used. */
export function isDescribed(name: string): boolean {
  const [, own] = LAYER.exec(name) ?? [];
  return own === undefined || own.startsWith("nextn.") || DESCRIBED.has(own);
}
