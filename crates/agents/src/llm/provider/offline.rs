//! An answer without a model: what was asked about if that is short, else its beginning, its weightiest sentence, and the
//! figures of the rest.
//!
//! The same prompt always gives the same answer. It makes examples and tests run anywhere; it understands nothing,
//! and says so in `provider` and `model`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::llm::{
    chat::{Message, Turn, Usage},
    config::{Config, Provider},
};

const MODEL: &str = "offline-extract";
const FIGURES_MAX: usize = 5;
/// So few sentences are their own summary.
const SENTENCES_SHORT: usize = 3;
const SENTENCE_CHARS_MAX: usize = 300;
/// Shorter words say how, not what.
const WORD_CHARS_MIN: usize = 5;

/// Answers from the words of the last message of the user.
pub(in crate::llm) fn answer(config: &Config, messages: &[Message]) -> Turn {
    let is_asked = |message: &&Message| matches!(message, Message::User(_));
    let asked = messages.iter().rev().find(is_asked).or(messages.last());
    let extract = Extract::of(asked.map_or("", Message::text));
    let text = if config.wants_json() { extract.to_json().to_string() } else { extract.to_text() };
    let count = |count: usize| u64::try_from(count).ok();
    let usage = Usage {
        input_tokens: count(messages.iter().map(|message| words(message.text()).count()).sum()),
        output_tokens: count(words(&text).count()),
        cached_input_tokens: None,
        unit: Some("words".to_owned()),
        raw: Value::Null,
    };
    Turn { usage, finish_reason: Value::from("stop"), ..Turn::said(Provider::Offline, MODEL, text) }
}

/// What of a text is given back.
#[derive(Debug, PartialEq)]
struct Extract<'a> {
    sentences: Vec<&'a str>,
    figures: Vec<&'a str>,
    words: usize,
    sentence_count: usize,
}

impl<'a> Extract<'a> {
    fn of(prompt: &'a str) -> Self {
        let subject = subject(prompt);
        let all = sentences(subject);
        let mut figures: Vec<&str> = Vec::new();
        for figure in words(subject).filter_map(figure) {
            if figures.len() < FIGURES_MAX && !figures.contains(&figure) {
                figures.push(figure);
            }
        }
        let (words, sentence_count) = (words(subject).count(), all.len());
        let sentences = if sentence_count <= SENTENCES_SHORT {
            all
        } else {
            let weightiest = weightiest(all.get(1..).unwrap_or_default());
            all.first().copied().into_iter().chain(weightiest).collect()
        };
        Self { sentences, figures, words, sentence_count }
    }

    fn to_text(&self) -> String {
        let mut parts: Vec<String> = self.sentences.iter().map(|sentence| shorten(sentence)).collect();
        let told: Vec<&str> = self.sentences.iter().flat_map(|sentence| words(sentence)).filter_map(figure).collect();
        let others: Vec<&str> = self.figures.iter().copied().filter(|figure| !told.contains(figure)).collect();
        if !others.is_empty() {
            parts.push(format!("Other figures: {}.", others.join(", ")));
        }
        parts.push("(extracted offline, without a model)".to_owned());
        parts.join(" ")
    }

    fn to_json(&self) -> Value {
        let summary: Vec<String> = self.sentences.iter().map(|sentence| shorten(sentence)).collect();
        json!({
            "summary": summary.join(" "),
            "figures": self.figures,
            "words": self.words,
            "sentences": self.sentence_count,
        })
    }
}

/// What a prompt is about: what follows an instruction that ends in a colon, or all of it.
fn subject(prompt: &str) -> &str {
    let prompt = prompt.trim();
    let (instruction, rest) = match prompt.split_once(":\n") {
        Some(parts) => parts,
        None => prompt.split_once(": ").unwrap_or(("", prompt)),
    };
    let is_instruction = instruction.chars().count() <= 200 && !instruction.contains(['.', '{', '"']);
    if is_instruction && !rest.trim().is_empty() { rest.trim() } else { prompt }
}

/// Sentences end at `.`, `!`, `?` before a space, and at lines.
fn sentences(text: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim();
        while let Some(end) = sentence_end(rest) {
            let (sentence, after) = rest.split_at(end);
            sentences.push(sentence);
            rest = after.trim_start();
        }
        if !rest.is_empty() {
            sentences.push(rest);
        }
    }
    sentences
}

fn sentence_end(text: &str) -> Option<usize> {
    let mut characters = text.char_indices().peekable();
    while let Some((_, character)) = characters.next() {
        if matches!(character, '.' | '!' | '?') {
            match characters.peek() {
                Some((next, after)) if after.is_whitespace() => return Some(*next),
                _ => {}
            }
        }
    }
    None
}

/// The sentence whose long words are the most frequent ones of all, by the average word; the first of equals.
fn weightiest<'a>(sentences: &[&'a str]) -> Option<&'a str> {
    let mut frequency: BTreeMap<String, usize> = BTreeMap::new();
    for word in sentences.iter().flat_map(|sentence| long_words(sentence)) {
        *frequency.entry(word).or_default() += 1;
    }
    let weight = |sentence: &str| {
        let total: usize = long_words(sentence).filter_map(|word| frequency.get(&word)).sum();
        total * 1_000 / words(sentence).count().max(5)
    };
    let mut best: Option<(usize, &str)> = None;
    for sentence in sentences {
        let weight = weight(sentence);
        if weight > best.map_or(0, |(best, _)| best) {
            best = Some((weight, sentence));
        }
    }
    best.map(|(_, sentence)| sentence)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}

fn long_words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.chars().count() >= WORD_CHARS_MIN)
        .map(str::to_lowercase)
}

/// `12.5%`, `€3,000`, `2024`: a word that begins with a digit or a sign of money.
fn figure(word: &str) -> Option<&str> {
    let word = word.trim_matches(|c: char| !(c.is_alphanumeric() || matches!(c, '%' | '€' | '$' | '£' | '-' | '+')));
    let digits = word.trim_start_matches(['€', '$', '£', '-', '+']);
    digits.starts_with(|c: char| c.is_ascii_digit()).then_some(word)
}

fn shorten(sentence: &str) -> String {
    match sentence.char_indices().nth(SENTENCE_CHARS_MAX) {
        Some((end, _)) => format!("{}…", sentence.get(..end).unwrap_or(sentence)),
        None => sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMPT: &str = "Summarise the report for the board:\nSales rose by 12.5% to €3,000 in March. The weather \
                          was fine. Sales of bicycles rose most, and bicycles are now half of all sales! What next?";

    #[test]
    fn the_answer_holds_the_first_sentence_the_weightiest_and_the_figures() {
        let extract = Extract::of(PROMPT);

        assert_eq!(
            extract.sentences,
            [
                "Sales rose by 12.5% to €3,000 in March.",
                "Sales of bicycles rose most, and bicycles are now half of all sales!"
            ]
        );
        assert_eq!(extract.figures, ["12.5%", "€3,000"]);
        assert_eq!((extract.words, extract.sentence_count), (27, 4));
    }

    #[test]
    fn an_empty_prompt_and_one_without_sentences_have_answers() {
        assert_eq!(Extract::of("").to_text(), "(extracted offline, without a model)");
        assert_eq!(Extract::of("hello").to_text(), "hello (extracted offline, without a model)");
    }

    #[test]
    fn a_short_text_is_its_own_summary() {
        let text = "There are 480 packages. 22 of them are there twice. 3 come from elsewhere.";

        assert_eq!(Extract::of(text).to_text(), format!("{text} (extracted offline, without a model)"));
    }

    #[test]
    fn figures_that_its_sentences_leave_out_are_told_apart() {
        let text =
            Extract::of("Sales rose by 5%. Bicycles lead the sales. Costs fell to 900. Bicycles lead.").to_text();

        assert!(text.contains("Other figures: 900."), "{text}");
        assert_eq!(text.matches("5%").count(), 1, "{text}");
    }
}
