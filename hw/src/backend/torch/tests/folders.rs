//! Models on disk: what is read, and what is refused with which words.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use super::{Case, case, decoder};
use crate::backend::torch::{Decoder, DecoderConfig};

/// A folder for one test; what an earlier run has left in it is gone.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("pipesd-torch-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// The case's model in a folder of its own.
fn saved(name: &str, case: &Case) -> PathBuf {
    let folder = folder(name);
    write_config(&folder, &case.config.to_json());
    decoder(&case.config).save(&folder.join("model.safetensors")).expect("it is written");
    folder
}

fn write_config(folder: &Path, config: &Value) {
    fs::write(folder.join("config.json"), config.to_string()).expect("it is written");
}

/// Tensors by name.
type Named = Vec<(String, Tensor)>;

#[track_caller]
fn refused(folder: &Path, words: &[&str]) {
    let error = Decoder::load(folder, None, Device::Cpu).expect_err("it is refused").to_string();
    for words in words {
        assert!(error.contains(words), "`{words}` is not in: {error}");
    }
    fs::remove_dir_all(folder).expect("it is there");
}

#[test]
fn a_folder_is_read_back_as_it_was_written() {
    for name in ["llama", "qwen2", "llama-llama3", "llama-linear"] {
        let case = case(name);
        let folder = saved(&format!("back-{name}"), &case);
        let back = Decoder::load(&folder, None, Device::Cpu).expect("it loads");
        assert_eq!(back.config(), &case.config);
        assert_eq!(back.kind(), Kind::Float);
        for ((name, one), (_, other)) in
            decoder(&case.config).named_parameters().iter().zip(back.named_parameters())
        {
            assert_eq!(one, &other, "{name}");
        }
        let half = Decoder::load(&folder, Some(Kind::BFloat16), Device::Cpu).expect("it loads");
        assert_eq!(half.kind(), Kind::BFloat16);
        fs::remove_dir_all(folder).expect("it is there");
    }
}

#[test]
fn shards_are_read_by_their_index() {
    let case = case("llama");
    let folder = folder("shards");
    write_config(&folder, &case.config.to_json());
    let whole = decoder(&case.config).named_parameters();
    let (front, back) = whole.split_at(whole.len() / 2);
    let mut map = serde_json::Map::new();
    for (file, part) in [("a.safetensors", front), ("b.safetensors", back)] {
        Tensor::write_safetensors(part, folder.join(file)).expect("it is written");
        map.extend(part.iter().map(|(name, _)| (name.clone(), json!(file))));
    }
    let index = folder.join("model.safetensors.index.json");
    fs::write(&index, json!({ "weight_map": map }).to_string()).expect("it is written");
    let read = Decoder::load(&folder, None, Device::Cpu).expect("it loads");
    for ((name, one), (_, other)) in whole.iter().zip(read.named_parameters()) {
        assert_eq!(one, &other, "{name}");
    }
    map.insert("model.norm.weight".into(), json!("../b.safetensors"));
    fs::write(&index, json!({ "weight_map": map }).to_string()).expect("it is written");
    refused(&folder, &["model.safetensors.index.json", "../b.safetensors"]);
}

#[test]
fn a_tensor_that_is_missing_misshapen_or_unknown_is_named() {
    let case = case("llama");
    let name = "model.layers.1.mlp.up_proj.weight";
    let spoilt = |test: &str, spoil: &dyn Fn(&mut Named)| {
        let folder = saved(test, &case);
        let mut tensors = decoder(&case.config).named_parameters();
        spoil(&mut tensors);
        Tensor::write_safetensors(&tensors, folder.join("model.safetensors")).expect("written");
        folder
    };
    let missing = spoilt("missing", &|tensors| tensors.retain(|(other, _)| other != name));
    refused(&missing, &["model.safetensors", name, "missing", "[112, 64]"]);
    let misshapen = spoilt("misshapen", &|tensors| {
        let tensor = tensors.iter_mut().find(|(other, _)| other == name).expect("it is there");
        tensor.1 = tensor.1.narrow(0, 0, 111).contiguous();
    });
    refused(&misshapen, &["model.safetensors", name, "[111, 64]", "[112, 64]"]);
    let unknown = spoilt("unknown", &|tensors| {
        tensors.push((
            "model.layers.1.mlp.up_proj.bias".into(),
            Tensor::zeros([112], tch::kind::FLOAT_CPU),
        ));
    });
    refused(&unknown, &["model.safetensors", "model.layers.1.mlp.up_proj.bias"]);
    let integers = spoilt("integers", &|tensors| {
        tensors[0].1 = tensors[0].1.to_kind(Kind::Int64);
    });
    refused(&integers, &["model.safetensors", "I64", "F32, F16, BF16"]);
}

#[test]
fn a_folder_without_a_model_says_what_is_missing() {
    let case = case("llama");
    refused(&folder("empty"), &["config.json"]);
    let bare = folder("bare");
    write_config(&bare, &case.config.to_json());
    refused(&bare, &["model.safetensors", "model.safetensors.index.json"]);
    let broken = saved("broken", &case);
    fs::write(broken.join("model.safetensors"), [0xFF; 64]).expect("it is written");
    refused(&broken, &["model.safetensors", "no safetensors"]);
}

#[test]
fn a_config_that_means_another_model_is_refused() {
    let good = case("llama").config.to_json();
    for (key, value, words) in [
        ("architectures", json!(["MistralForCausalLM"]), "`MistralForCausalLM` is unknown"),
        ("hidden_act", json!("gelu"), "hidden_act is `gelu`"),
        ("use_sliding_window", json!(true), "use_sliding_window"),
        ("mlp_bias", json!(true), "mlp_bias"),
        ("quantization_config", json!({}), "quantization_config"),
        ("rope_scaling", json!({ "type": "yarn", "factor": 4.0 }), "`yarn` is unknown"),
        ("rope_scaling", json!({ "type": "linear" }), "factor is null"),
        ("num_key_value_heads", json!(3), "cannot share 3"),
        ("head_dim", json!(15), "head_dim is 15"),
        ("vocab_size", json!(-1), "vocab_size is -1"),
        ("hidden_size", Value::Null, "hidden_size is null"),
    ] {
        let mut config = good.clone();
        config[key] = value;
        let problem = DecoderConfig::parse(&config).expect_err(words);
        assert!(problem.contains(words), "{problem}");
    }
}
