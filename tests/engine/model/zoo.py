"""Tiny random models of many architectures, made from their configurations alone. Thread: any."""
import copy
import logging
import warnings

import torch
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

WIDTH, LAYERS = 32, 4
# every name by which some configuration calls these sizes; each takes the ones it knows
SIZES = {
    **dict.fromkeys(("vocab_size", "vocab_size_per_layer_input"), 128),
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "lru_width", "conv_dim", "block_dim",
                     "attention_hidden_size", "word_embed_proj_dim"), WIDTH),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), LAYERS),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads", "num_experts",
                     "num_local_experts", "n_routed_experts", "expand", "mamba_n_heads",
                     "time_step_rank", "mamba_dt_rank", "q_lora_rank", "laurel_rank"), 4),
    **dict.fromkeys(("num_key_value_heads", "num_experts_per_tok", "linear_num_key_heads",
                     "linear_num_value_heads", "mamba_expand", "attn_layer_period",
                     "expert_layer_period"), 2),
    **dict.fromkeys(("head_dim", "v_head_dim", "qk_nope_head_dim", "rotary_dim", "rope_dim",
                     "qk_rope_head_dim", "kv_lora_rank", "mamba_d_state", "state_size",
                     "hidden_size_per_layer_input", "linear_key_head_dim", "linear_value_head_dim",
                     "mamba_d_head"), 8),
    **dict.fromkeys(("intermediate_size", "n_inner", "ffn_dim", "block_ff_dim"), 80),
    **dict.fromkeys(("moe_intermediate_size",), 16),
    **dict.fromkeys(("shared_expert_intermediate_size",), 24),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 96),
    **dict.fromkeys(("n_group", "topk_group", "n_groups", "n_shared_experts", "mamba_n_groups",
                     "first_k_dense_replace", "attn_layer_offset"), 1),
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "sliding_window": 16,
    "num_kv_shared_layers": 0, "use_mamba_kernels": False, "expert_layer_offset": 0,
    "attention_types": [[["global", "local"], 2]],
}
MIXED = ["linear_attention", "full_attention"] * 2
OWN = {                                   # what the shared names do not say
    "mamba2": {"num_heads": 8, "head_dim": 16, "n_groups": 1},
    "falcon": {"num_kv_heads": 1, "new_decoder_architecture": False},
    "zamba2": {"num_hidden_layers": 6, "hybrid_layer_ids": [1, 4], "n_mamba_heads": 4,
               "layers_block_type": ["mamba", "hybrid", "mamba", "mamba", "hybrid", "mamba"],
               "mamba_headdim": 16, "num_mem_blocks": 1, "adapter_rank": 8, "mamba_ngroups": 1,
               "attention_head_dim": 16, "attention_hidden_size": 64},
    "gemma3n_text": {"layer_types": ["sliding_attention"] * 3 + ["full_attention"],
                     "activation_sparsity_pattern": [0.0] * 4, "intermediate_size": 80},
    "deepseek_v3": {"num_key_value_heads": 4}, "deepseek_v2": {"num_key_value_heads": 4},
    "gemma4_text": {"global_head_dim": 8}, "phi3": {"original_max_position_embeddings": 96},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "falcon_h1": {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8, "attn_layer_indices": [1, 3]},
    "lfm2": {"full_attn_idxs": [1, 3], "layer_types": ["conv", "full_attention"] * 2},
    "qwen3_next": {"layer_types": MIXED}, "qwen3_5_text": {"layer_types": MIXED},
}
DENSE = """llama mistral gemma phi3 qwen2 qwen3 gpt2 gpt_neo gpt_bigcode opt bloom mpt olmo
    granite glm smollm3 starcoder2 nemotron ernie4_5 helium persimmon xglm biogpt bitnet apertus
    nanochat ctrl""".split()
PARALLEL = "gpt_neox gptj phi falcon codegen cohere cohere2 stablelm".split()
POST_NORM = "gemma2 gemma3_text olmo2 olmo3 glm4 exaone4".split()
EXPERTS = """mixtral qwen2_moe qwen3_moe olmoe phimoe granitemoe gpt_oss deepseek_v2 deepseek_v3
    llama4_text""".split()
HYBRID = "qwen3_next qwen3_5_text jamba lfm2 zamba2 bamba falcon_h1 recurrent_gemma".split()
STATE_SPACE = "mamba mamba2 rwkv".split()
ODD = "gemma3n_text gemma4_text openai-gpt".split()
ALL = DENSE + PARALLEL + POST_NORM + EXPERTS + HYBRID + STATE_SPACE + ODD


def known(config_class, blank, name):
    """Whether a configuration takes `name`."""
    if name == "head_dim" and "gemma4" in config_class.model_type:
        return False                      # Gemma-4 keeps it by layer and will not be asked
    prop = getattr(config_class, name, None)
    return hasattr(blank, name) and not (isinstance(prop, property) and prop.fset is None)


def configuration(name, **more):
    """The tiny configuration of an architecture."""
    config_class = CONFIG_MAPPING[name]
    blank, alias = config_class(), getattr(config_class, "attribute_map", None) or {}
    chosen = {alias.get(k, k): copy.deepcopy(v) for k, v in SIZES.items()
              if known(config_class, blank, k)}
    chosen |= OWN.get(name, {})
    listed = getattr(blank, "layer_types", None)
    if listed and "layer_types" not in chosen and known(config_class, blank, "layer_types") \
            and "layer_types" not in alias:
        kinds = list(dict.fromkeys(listed))
        chosen["layer_types"] = [kinds[i % len(kinds)] for i in range(LAYERS)]
    return config_class(**chosen | more)


def tiny(name, spread=4.0, **more):
    """A tiny random model in eval mode; `spread` scales its matrices: writes must not be small."""
    logging.disable(logging.WARNING)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = AutoModelForCausalLM.from_config(configuration(name, **more)).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.mul_(spread)
    return model.requires_grad_(False)
