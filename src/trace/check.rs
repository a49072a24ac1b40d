//! What a trace must satisfy beyond its format: whole texts, probabilities that are some, arrays
//! that fit together.

use super::{DraftFeatures, Features, TextTiming, Trace, TraceText, TraceTiming};

/// Tokens of a prompt at most.
pub const PROMPT_TOKENS_MAX: u32 = 1_000_000;
/// The longest time in a trace \[ns\]: an hour, beyond what anyone waits for a token.
pub const DURATION_NS_MAX: u64 = 3_600_000_000_000;
/// The same \[ms\].
pub(super) const DURATION_MS_MAX: f64 = DURATION_NS_MAX as f64 / 1e6;

/// What is wrong with a trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// Another format, or another version of it.
    #[error("format is `{0}`, expected `pipesd-trace-2` or `pipesd-trace-1`")]
    Format(String),
    /// There is no text in it.
    #[error("the trace holds no text")]
    Empty,
    /// What the timings have in common is out of range.
    #[error("`timing.{key}` is {value}: it lies between 0 and 3600000 ms")]
    Timing {
        /// The field.
        key: &'static str,
        /// What it says.
        value: String,
    },
    /// A text as a whole is inconsistent.
    #[error("text {text}: {problem}")]
    WholeText {
        /// Index of the text.
        text: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A text is inconsistent or cut short.
    #[error("text {text}, position {position}: {problem}")]
    Text {
        /// Index of the text.
        text: usize,
        /// Position in it.
        position: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// An id that the vocabulary does not have.
    #[error("text {text}, position {position}: id {id} is beyond the vocabulary of {vocabulary}")]
    Vocabulary {
        /// Index of the text.
        text: usize,
        /// Position in it; of a rollout, that of its mismatch.
        position: usize,
        /// The id.
        id: u32,
        /// Entries of the vocabulary.
        vocabulary: u32,
    },
}

/// A problem of one text, and where: None, in the text as a whole.
type Problem = (Option<usize>, &'static str);

impl Trace {
    /// Checks what the file format cannot express.
    ///
    /// # Errors
    /// If a text is empty, a mismatch lacks its rollout, a confidence is no probability, an array of
    /// features or timings has not one entry for each step, or a time is out of range.
    pub fn validate(&self) -> Result<(), TraceError> {
        if self.format != Self::FORMAT {
            return Err(TraceError::Format(self.format.clone()));
        }
        if self.texts.is_empty() {
            return Err(TraceError::Empty);
        }
        if let Some(timing) = &self.timing {
            timing.check()?;
        }
        for (index, text) in self.texts.iter().enumerate() {
            text.check(self.timing.is_some()).map_err(|(position, problem)| match position {
                Some(position) => TraceError::Text { text: index, position, problem },
                None => TraceError::WholeText { text: index, problem },
            })?;
        }
        Ok(())
    }

    /// Checks that every id is one of `vocabulary`.
    ///
    /// # Errors
    /// The first that is not.
    pub fn check_vocabulary(&self, vocabulary: u32) -> Result<(), TraceError> {
        for (text, recorded) in self.texts.iter().enumerate() {
            let on_path = (0..).zip(&recorded.positions);
            let on_path = on_path.flat_map(|(at, &(draft, target, _))| [(at, draft), (at, target)]);
            let off_path = recorded.rollouts.iter().flat_map(|(&mismatch, rollout)| {
                rollout.iter().map(move |&(id, _)| (mismatch as usize, id))
            });
            for (position, id) in on_path.chain(off_path) {
                if id >= vocabulary {
                    return Err(TraceError::Vocabulary { text, position, id, vocabulary });
                }
            }
        }
        Ok(())
    }
}

impl TraceTiming {
    fn check(&self) -> Result<(), TraceError> {
        let (key, ms) = ("verify_per_token_ms", self.verify_per_token_ms);
        if (0.0..=DURATION_MS_MAX).contains(&ms) {
            Ok(())
        } else {
            Err(TraceError::Timing { key, value: ms.to_string() })
        }
    }
}

impl TraceText {
    fn check(&self, timed: bool) -> Result<(), Problem> {
        if self.positions.is_empty() {
            return Err((Some(0), "the text is empty"));
        }
        if self.prompt_tokens > PROMPT_TOKENS_MAX {
            return Err((None, "a prompt has 1000000 tokens at most"));
        }
        for (position, (draft, target, confidence)) in self.positions.iter().enumerate() {
            if !is_share(confidence) {
                return Err((Some(position), "a confidence lies between 0 and 1"));
            }
            let rollout = self.rollouts.get(&(position as u32));
            if draft != target && rollout.is_none_or(Vec::is_empty) {
                return Err((Some(position), "the mismatch has no rollout: is the trace cut?"));
            }
            if rollout.is_some_and(|r| r.iter().any(|(_, c)| !is_share(c))) {
                return Err((Some(position), "a confidence lies between 0 and 1"));
            }
        }
        if let Some((&last, _)) = self.rollouts.last_key_value()
            && last as usize >= self.positions.len()
        {
            return Err((Some(last as usize), "a rollout begins past the end of the text"));
        }
        if let Some(budget) = self.budget {
            let ends = self.positions.last().is_some_and(|(_, id, _)| self.stop_ids.contains(id));
            if (budget as usize) < self.positions.len() || !ends || budget > PROMPT_TOKENS_MAX {
                let problem = "a `budget` is not less than there are positions, nor above 1000000, and \
                               needs a last target id that ends the text";
                return Err((None, problem));
            }
            if timed {
                return Err((None, "a text with times ends with its budget: it has no `budget`"));
            }
        }
        if let Some(features) = &self.features {
            features.check(self)?;
        }
        match &self.timing {
            Some(_) if !timed => Err((None, "it has timings and the trace has no `timing`")),
            None if timed => Err((None, "it has no timings and the trace has `timing`")),
            Some(timing) => timing.check(self),
            None => Ok(()),
        }
    }
}

impl Features {
    fn check(&self, text: &TraceText) -> Result<(), Problem> {
        let len = text.positions.len();
        if self.target_rank.len() != len || self.target_gap.len() != len {
            return Err((None, "`features`: an array has not one entry for each position"));
        }
        let gap = self.target_gap.iter().position(|gap| !(gap.is_finite() && *gap >= 0.0));
        if let Some(position) = gap {
            return Err((Some(position), "a logit gap is finite and not negative"));
        }
        let problem = "`features`: an array has not one entry for each position";
        self.draft.check(len, None, problem)?;
        fits(&self.rollouts, text, "`features.rollouts` are not those of `rollouts`")?;
        for (&mismatch, rollout) in &self.rollouts {
            let at = Some(mismatch as usize);
            let problem = "`features.rollouts`: an array has not one entry for each step";
            rollout.check(text.rollouts[&mismatch].len(), at, problem)?;
        }
        Ok(())
    }
}

impl DraftFeatures {
    /// `at` is where to put the blame in a rollout; on the path it is the entry's own position.
    fn check(&self, len: usize, at: Option<usize>, lengths: &'static str) -> Result<(), Problem> {
        let Self { probability, entropy, margin } = self;
        if [probability, entropy, margin].iter().any(|array| array.len() != len) {
            return Err((at, lengths));
        }
        for step in 0..len {
            let at = Some(at.unwrap_or(step));
            if !is_share(&probability[step]) || !is_share(&margin[step]) {
                return Err((at, "a probability or a margin of two lies between 0 and 1"));
            }
            if !(entropy[step].is_finite() && entropy[step] >= 0.0) {
                return Err((at, "an entropy is finite and not negative"));
            }
        }
        Ok(())
    }
}

impl TextTiming {
    fn check(&self, text: &TraceText) -> Result<(), Problem> {
        let len = text.positions.len();
        if [self.steps_ns.len(), self.overheads_ns.len(), self.bases_ms.len()] != [len; 3] {
            return Err((None, "`timing`: an array has not one entry for each position"));
        }
        let too_long = |ns: &u64| *ns > DURATION_NS_MAX;
        if [self.draft_prefill_ns, self.verify_prefill_ns].iter().any(too_long) {
            return Err((None, "`timing`: a prefill takes an hour at most"));
        }
        for position in 0..len {
            let times = [self.steps_ns[position], self.overheads_ns[position]];
            let base_ms = self.bases_ms[position];
            if times.iter().any(too_long) || !(0.0..=DURATION_MS_MAX).contains(&base_ms) {
                return Err((Some(position), "a time lies between 0 and an hour"));
            }
        }
        fits(
            &self.rollout_steps_ns,
            text,
            "`timing.rollout_steps_ns` are not those of `rollouts`",
        )?;
        for (mismatch, steps) in &self.rollout_steps_ns {
            let at = Some(*mismatch as usize);
            if steps.len() != text.rollouts[mismatch].len() {
                return Err((at, "`timing.rollout_steps_ns` has not one entry for each step"));
            }
            if steps.iter().any(too_long) {
                return Err((at, "a time lies between 0 and an hour"));
            }
        }
        Ok(())
    }
}

/// Whether `rollouts` belong to the same mismatches as the text's own.
fn fits<T>(
    rollouts: &std::collections::BTreeMap<u32, T>,
    text: &TraceText,
    problem: &'static str,
) -> Result<(), Problem> {
    if rollouts.keys().eq(text.rollouts.keys()) { Ok(()) } else { Err((None, problem)) }
}

fn is_share(x: &f64) -> bool {
    (0.0..=1.0).contains(x)
}

#[cfg(test)]
mod tests {
    use super::super::{Rollout, TraceText};
    use super::*;

    fn trace(positions: Vec<(u32, u32, f64)>, rollouts: &[(u32, Rollout)]) -> Trace {
        let rollouts = rollouts.iter().cloned().collect();
        let (prompt_tokens, stop_ids) = (3, vec![0]);
        let text = TraceText { prompt_tokens, stop_ids, positions, rollouts, ..<_>::default() };
        let format = Trace::FORMAT.into();
        Trace { format, source: "a test".into(), timing: None, texts: vec![text] }
    }

    /// A text of two positions, the second a mismatch with a rollout of one step; all is known.
    fn full() -> Trace {
        let mut trace = trace(vec![(5, 5, 0.9), (7, 8, 0.6)], &[(1, vec![(3, 0.5)])]);
        let features = |len| DraftFeatures {
            probability: vec![0.5; len],
            entropy: vec![2.0; len],
            margin: vec![0.1; len],
        };
        trace.texts[0].features = Some(Features {
            draft: features(2),
            target_rank: vec![0, 3],
            target_gap: vec![1.5, 0.0],
            rollouts: [(1, features(1))].into(),
        });
        trace.timing = Some(TraceTiming { verify_per_token_ms: 0.2 });
        trace.texts[0].timing = Some(TextTiming {
            draft_prefill_ns: 1,
            verify_prefill_ns: 2,
            steps_ns: vec![3, 4],
            rollout_steps_ns: [(1, vec![5])].into(),
            overheads_ns: vec![6, 7],
            bases_ms: vec![8.5, 9.5],
        });
        trace
    }

    #[test]
    fn a_cut_or_inconsistent_trace_is_refused() {
        assert_eq!(trace(vec![(5, 5, 0.9)], &[]).validate(), Ok(()));
        assert!(trace(vec![], &[]).validate().is_err());
        assert!(trace(vec![(5, 6, 0.9)], &[]).validate().is_err(), "no rollout");
        assert!(trace(vec![(5, 6, 0.9)], &[(0, vec![(1, 0.5)])]).validate().is_ok());
        assert!(trace(vec![(5, 6, 0.9)], &[(0, vec![(1, 1.5)])]).validate().is_err());
        assert!(
            trace(vec![(5, 5, 0.9)], &[(1, vec![(1, 0.5)])]).validate().is_err(),
            "past the end"
        );
        assert!(trace(vec![(5, 5, f64::NAN)], &[]).validate().is_err());
        let other = Trace { format: "x".into(), ..trace(vec![(5, 5, 0.9)], &[]) };
        assert_eq!(other.validate(), Err(TraceError::Format("x".into())));
    }

    #[test]
    fn only_what_ends_by_itself_may_have_more_budget() {
        let with = |last: u32, budget| {
            let mut trace = trace(vec![(5, 5, 0.9), (last, last, 0.9)], &[]);
            trace.texts[0].budget = Some(budget);
            (trace.texts[0].budget(), trace.validate().is_ok())
        };
        assert_eq!(with(0, 2), (2, true));
        assert_eq!(with(0, 40), (40, true));
        assert_eq!(with(0, 1), (1, false));
        assert_eq!(with(7, 40), (40, false));
        assert!(!with(0, PROMPT_TOKENS_MAX + 1).1);
        let mut timed = full();
        timed.texts[0].budget = Some(2);
        assert!(timed.validate().is_err());
    }

    #[test]
    fn ids_beyond_the_vocabulary_are_found_on_and_off_the_path() {
        let trace = trace(vec![(5, 6, 0.9)], &[(0, vec![(7, 0.5)])]);
        let beyond =
            |id, vocabulary| Err(TraceError::Vocabulary { text: 0, position: 0, id, vocabulary });
        assert_eq!(trace.check_vocabulary(8), Ok(()));
        assert_eq!(trace.check_vocabulary(7), beyond(7, 7));
        assert_eq!(trace.check_vocabulary(6), beyond(6, 6));
    }

    #[test]
    fn features_and_timings_fit_their_text() {
        assert_eq!(full().validate(), Ok(()));
        let refused = |change: fn(&mut TraceText), words: &str| {
            let mut trace = full();
            change(&mut trace.texts[0]);
            let error = trace.validate().expect_err(words).to_string();
            assert!(error.contains(words), "`{words}` is not in: {error}");
        };
        fn timing(text: &mut TraceText) -> &mut TextTiming {
            text.timing.as_mut().expect("a timed text")
        }
        fn features(text: &mut TraceText) -> &mut Features {
            text.features.as_mut().expect("a text with features")
        }
        refused(|text| text.timing = None, "text 0: it has no timings");
        refused(|text| timing(text).steps_ns.truncate(1), "one entry for each position");
        refused(|text| timing(text).bases_ms[1] = -1.0, "text 0, position 1: a time");
        refused(|text| timing(text).bases_ms[0] = f64::NAN, "text 0, position 0: a time");
        refused(|text| timing(text).steps_ns[1] = u64::MAX, "text 0, position 1: a time");
        refused(|text| timing(text).rollout_steps_ns.clear(), "not those of `rollouts`");
        refused(|text| timing(text).verify_prefill_ns = u64::MAX, "prefill");
        refused(
            |text| drop(timing(text).rollout_steps_ns.insert(1, vec![1, 2])),
            "position 1: `timing.rollout_steps_ns`",
        );
        refused(|text| features(text).draft.margin[1] = 1.5, "text 0, position 1: a probability");
        refused(|text| features(text).draft.entropy[0] = -0.1, "position 0: an entropy");
        refused(|text| features(text).target_gap[1] = f64::INFINITY, "position 1: a logit gap");
        refused(|text| features(text).target_rank.push(1), "one entry for each position");
        refused(|text| features(text).rollouts.clear(), "not those of `rollouts`");
        let untimed = Trace { timing: None, ..full() };
        assert!(untimed.validate().is_err());
        let negative = TraceTiming { verify_per_token_ms: -0.1 };
        let negative = Trace { timing: Some(negative), ..full() };
        let error = negative.validate().expect_err("a negative time").to_string();
        assert!(error.contains("verify_per_token_ms") && error.contains("-0.1"), "{error}");
    }

    #[test]
    fn files_of_before_are_read() {
        let file = r#"{"format":"pipesd-trace-1","source":"a test","texts":[{"prompt_tokens":3,"#
            .to_owned()
            + r#""stop_ids":[0],"positions":[[5,6,0.9]],"rollouts":{"0":[[1,0.5]]}}]}"#;
        let read: Trace = serde_json::from_str(&file).expect("a trace of before");
        assert_eq!(read, trace(vec![(5, 6, 0.9)], &[(0, vec![(1, 0.5)])]));
        let written = serde_json::to_string(&read).expect("plain data");
        assert_eq!(written, file.replace("trace-1", "trace-2"));
    }

    #[test]
    fn what_a_device_had_added_to_steps_of_before_is_taken_off() {
        let written = serde_json::to_value(full()).expect("plain data");
        let before = |added_ms: serde_json::Value| {
            let mut file = written.clone();
            file["format"] = "pipesd-trace-1".into();
            file["timing"]["device_added_ms"] = added_ms;
            let timing = &mut file["texts"][0]["timing"];
            timing["steps_ns"] = serde_json::json!([1_500_003, 1_500_004]);
            timing["rollout_steps_ns"]["1"] = serde_json::json!([1_500_005]);
            serde_json::from_value::<Trace>(file)
        };
        assert_eq!(before(1.5.into()).expect("a trace of before"), full());
        // No step is below nothing.
        let more = before(2.0.into()).expect("a trace of before");
        assert_eq!(more.texts[0].timing.as_ref().expect("timed").steps_ns, [0, 0]);
        assert!(before((-1).into()).is_err());
        assert!(before(serde_json::Value::Null).is_err(), "steps of an unknown device");
        let mut now = written;
        now["timing"]["device_added_ms"] = 1.5.into();
        let error = serde_json::from_value::<Trace>(now).expect_err("a field of before");
        assert!(error.to_string().contains("pipesd-trace-1"), "{error}");
    }

    #[test]
    fn a_trace_with_everything_survives_its_file() {
        let text = serde_json::to_string(&full()).expect("plain data");
        assert_eq!(serde_json::from_str::<Trace>(&text).expect("as written"), full());
    }
}
