package io.quern.text;

import io.quern.Device;
import io.quern.io.FormatException;
import io.quern.onnx.OnnxException;
import io.quern.onnx.OnnxModel;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;

/**
 * Turns texts into vectors that point the same way where the texts mean the same, with a model of
 * the ONNX format such as MiniLM, BGE or E5.
 *
 * {@snippet :
 * TextEmbedder embedder = TextEmbedder.load(Path.of("all-MiniLM-L6-v2"));
 * float[] question = embedder.embed("How do I mend a bicycle?");
 * float[][] answers = embedder.embed(List.of("Take off the wheel.", "Knead the dough."));
 * double score = TextEmbedder.similarity(question, answers[0]);
 * }
 *
 * <p>Texts are filled up to one of a few lengths, and only those of one length run together: little
 * is computed in vain, there are few plans, and a text has the same vector alone and among others,
 * to the last bit. Models that quantise what they compute, with a scale that all texts of a run
 * would share, run text by text.
 *
 * <p>Immutable, and safe for concurrent use. Embedders that come from others by {@code with...}
 * share their model and its plans. {@link #close} gives its memory back at once; an embedder that
 * is forgotten gives it back after a garbage collection.
 */
public final class TextEmbedder implements AutoCloseable {
  /** As many tokens run at once; more are not faster and take more memory. */
  private static final int BATCH_TOKENS = 512;

  private final TokenModel model;
  private final Tokenizer base;
  private final Settings settings;
  private final Tokenizer tokenizer;
  private final int pad;

  /** What can be chosen. */
  record Settings(Pooling pooling, boolean isNormalized, int maxLength, boolean isTruncating) {
    /** What BERT and its kin read. */
    private static final int MAX_LENGTH = 512;

    /** Those of most models, with the limit that comes with the tokenizer. */
    static Settings of(Tokenizer tokenizer) {
      Truncation truncation = tokenizer.truncation();
      int most = truncation == null ? MAX_LENGTH : truncation.maxLength();
      return new Settings(Pooling.MEAN, true, most, true);
    }
  }

  TextEmbedder(TokenModel model, Tokenizer tokenizer, Settings settings) {
    Tokenizer plain = tokenizer.withPadding(null).withTruncation(null);
    int least = Math.max(1, plain.encode("").size());
    int most = settings.maxLength;
    if (most < least) {
      throw new IllegalArgumentException(
          "embed: a text has at least %d tokens, the limit is %d".formatted(least, most));
    }
    Truncation own = tokenizer.truncation();
    Direction side = own == null ? Direction.RIGHT : own.direction();
    this.model = model;
    this.base = tokenizer;
    this.settings = settings;
    this.tokenizer =
        settings.isTruncating
            ? plain.withTruncation(new Truncation(most, Truncation.Strategy.LONGEST_FIRST, side))
            : plain;
    this.pad = pad(tokenizer);
  }

  /** Models that number positions by themselves know padding by its id. */
  private static int pad(Tokenizer tokenizer) {
    Padding padding = tokenizer.padding();
    int id = padding == null ? tokenizer.tokenId("<pad>") : padding.id();
    return Math.max(0, id < 0 ? tokenizer.tokenId("[PAD]") : id);
  }

  /**
   * An embedder of a model that is there, with mean pooling, normalised vectors, and the limit of
   * the tokenizer's truncation, or else 512 tokens.
   *
   * @param model takes {@code input_ids}, {@code attention_mask} and perhaps {@code token_type_ids}
   *     of the shape [texts, tokens], and gives vectors of the shape [texts, tokens, dimensions]
   * @throws OnnxException if it does not
   */
  public static TextEmbedder of(OnnxModel model, Tokenizer tokenizer) {
    return new TextEmbedder(new TokenModel(model), tokenizer, Settings.of(tokenizer));
  }

  /**
   * The embedder in a folder of the Hugging Face layout: {@code model.onnx} or {@code
   * onnx/model.onnx} and {@code tokenizer.json}; {@code modules.json}, {@code
   * 1_Pooling/config.json} and {@code sentence_bert_config.json} tell more if they are there. In
   * their place may be the only file named {@code *.onnx} and the only one named {@code
   * *tokenizer.json}, and instead of the folder a jar.
   *
   * @throws FormatException if files are missing, malformed or not supported
   * @throws UncheckedIOException if a file cannot be read
   * @throws OnnxException as {@link #of} does
   */
  public static TextEmbedder load(Path folder) {
    return EmbedderFiles.load(folder);
  }

  /** {@link #of} a model and a tokenizer in files. */
  public static TextEmbedder load(Path model, Path tokenizer) {
    return of(OnnxModel.load(model), Tokenizer.load(tokenizer));
  }

  /**
   * {@link #of} a model and a tokenizer on the class path, such as those in the artifacts {@code
   * dev.langchain4j:langchain4j-embeddings-*}.
   *
   * @param user finds the resources, by {@link Class#getResource}
   * @throws FormatException if a resource is missing or malformed
   * @throws OnnxException as {@link #of} does
   */
  public static TextEmbedder loadResources(Class<?> user, String model, String tokenizer) {
    return EmbedderFiles.loadResources(user, model, tokenizer);
  }

  /** The same with the model on another device, with plans of its own. */
  public TextEmbedder on(Device device) {
    return new TextEmbedder(model.on(device), base, settings);
  }

  /** The same with another pooling; a new embedder of a model has {@link Pooling#MEAN}. */
  public TextEmbedder withPooling(Pooling pooling) {
    Objects.requireNonNull(pooling, "embed: pooling is null");
    return with(
        new Settings(pooling, settings.isNormalized, settings.maxLength, settings.isTruncating));
  }

  /** The same with vectors of length 1, as a new embedder gives them, or as the model does. */
  public TextEmbedder withNormalization(boolean normalize) {
    return with(
        new Settings(settings.pooling, normalize, settings.maxLength, settings.isTruncating));
  }

  /** The same with another limit of tokens, special ones included; the model has its own. */
  public TextEmbedder withMaxLength(int tokens) {
    return with(
        new Settings(settings.pooling, settings.isNormalized, tokens, settings.isTruncating));
  }

  /** Longer texts are cut, as by a new embedder, or else refused. */
  public TextEmbedder withTruncation(boolean truncate) {
    return with(
        new Settings(settings.pooling, settings.isNormalized, settings.maxLength, truncate));
  }

  private TextEmbedder with(Settings other) {
    return new TextEmbedder(model, base, other);
  }

  /** How the vectors of tokens become one. */
  public Pooling pooling() {
    return settings.pooling;
  }

  /** The most tokens of a text, special ones included. */
  public int maxLength() {
    return settings.maxLength;
  }

  /** Elements of each vector. A model that does not declare them is run to find out. */
  public int dimensions() {
    return model.dimensions() > 0 ? model.dimensions() : embed("a").length;
  }

  /**
   * The vector of a text.
   *
   * @throws IllegalArgumentException if the text has no tokens, or too many and truncation is off
   * @throws OnnxException if the model fails
   */
  public float[] embed(String text) {
    return embed(List.of(Objects.requireNonNull(text, "embed: the text is null")))[0];
  }

  /**
   * The vectors of texts, in their order.
   *
   * @throws IllegalArgumentException as of one text, before any is computed
   * @throws OnnxException if the model fails
   */
  public float[][] embed(List<String> texts) {
    Map<Integer, List<Integer>> byLength = new TreeMap<>();
    List<Encoding> encodings = new ArrayList<>(texts.size());
    for (String text : texts) {
      int index = encodings.size();
      Encoding encoding = encode(index, text);
      encodings.add(encoding);
      byLength.computeIfAbsent(padded(encoding.size()), _ -> new ArrayList<>()).add(index);
    }
    float[][] vectors = new float[texts.size()][];
    byLength.forEach(
        (length, indices) -> {
          for (int done = 0; done < indices.size(); ) {
            int rows = rows(indices.size() - done, length);
            run(encodings, indices.subList(done, done + rows), length, vectors);
            done += rows;
          }
        });
    return vectors;
  }

  private Encoding encode(int index, String text) {
    Encoding encoding =
        tokenizer.encode(
            Objects.requireNonNull(text, () -> "embed: text " + index + " of the list is null"));
    if (encoding.size() == 0) {
      throw new IllegalArgumentException("embed: text " + index + " has no tokens");
    }
    if (encoding.size() > settings.maxLength) {
      throw new IllegalArgumentException(
          "embed: text %d has %d tokens, the most is %d; shorten it or cut it by withTruncation"
              .formatted(index, encoding.size(), settings.maxLength));
    }
    return encoding;
  }

  /** The length to fill up to: one of four between powers of two, a multiple of four. */
  private int padded(int length) {
    int step = Math.max(4, Integer.highestOneBit(length - 1) / 4);
    return Math.min(Math.ceilDiv(length, step) * step, settings.maxLength);
  }

  /** How many texts run at once: a power of four, as each number has a plan. */
  private int rows(int left, int length) {
    int most = model.isMixing() ? 1 : Math.max(1, Math.min(left, BATCH_TOKENS / length));
    return 1 << ((Integer.SIZE - 1 - Integer.numberOfLeadingZeros(most)) & ~1);
  }

  private void run(List<Encoding> encodings, List<Integer> indices, int length, float[][] out) {
    float[] states = model.run(indices.stream().map(encodings::get).toList(), length, pad);
    int perText = states.length / indices.size();
    for (int row = 0; row < indices.size(); row++) {
      int index = indices.get(row);
      float[] vector = new float[perText / length];
      settings.pooling.pool(states, row * perText, encodings.get(index).size(), vector);
      if (settings.isNormalized) {
        normalize(vector);
      }
      out[index] = vector;
    }
  }

  private static void normalize(float[] vector) {
    double norm = Math.sqrt(dot(vector, vector));
    for (int i = 0; norm > 0 && i < vector.length; i++) {
      vector[i] = (float) (vector[i] / norm);
    }
  }

  /**
   * The cosine of the angle between two vectors: 1 where they point the same way, 0 where they have
   * nothing in common; 0 too for a vector of zeros.
   *
   * @throws IllegalArgumentException if they differ in length
   */
  public static double similarity(float[] a, float[] b) {
    if (a.length != b.length) {
      throw new IllegalArgumentException(
          "similarity: one vector has %d dimensions, the other %d".formatted(a.length, b.length));
    }
    double norms = Math.sqrt(dot(a, a) * dot(b, b));
    return norms == 0 ? 0 : dot(a, b) / norms;
  }

  private static double dot(float[] a, float[] b) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      sum += (double) a[i] * b[i];
    }
    return sum;
  }

  /**
   * Closes the model, also one that was given to {@link #of}, as {@link OnnxModel#close} does:
   * embedders that share it throw {@link IllegalStateException} from then on.
   */
  @Override
  public void close() {
    model.close();
  }
}
