// What a machine can do: the training steps of two examples, written by hand for their shapes.
//
//     bound temperature_mlp|sine FILE MODELS ROWS STEPS RATE THREADS
//
// FILE, float32: parameters (models, 3 hidden + 1), inputs (models, rows), targets (models, rows).
// Prints seconds of a step and model, then each model's loss after its last step.
//
// A net is 1 - hidden - 1: weights, biases, output weights, output bias, a vector of each. In
// temperature_mlp a vector holds one number of 16 models, in sine one model's number 16 times.
// It is a bound and no product: the shapes are fixed, tanh is good to 3e-6, nothing is checked.

#if !defined(__AVX512DQ__)
#error "bound.cpp needs AVX-512"
#endif
#include <immintrin.h>

#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

typedef float v __attribute__((vector_size(64)));
constexpr int LANES = 16;

static inline v all(float value) { return v{} + value; }

// t <= 126; t - floor t; e 2^(floor t); about 1 / d: what vector extensions have no word for.
static inline v clamped(v t) { return (v)_mm512_min_ps((__m512)t, (__m512)all(126)); }
static inline v fraction(v t) { return (v)_mm512_reduce_ps((__m512)t, _MM_FROUND_TO_NEG_INF); }
static inline v scaled(v e, v t) { return (v)_mm512_scalef_ps((__m512)e, (__m512)t); }
static inline v estimate(v d) { return (v)_mm512_rcp14_ps((__m512)d); }

#define EACH(i, count) _Pragma("GCC unroll 32") for (int i = 0; i < count; i++)

// 1 / (1 + 2^t) of N vectors, stage by stage: one after the other, each would wait for itself.
// The polynomial of 2^f on [0, 1] is off by 3e-6 at most, relatively, and so is the whole.
template <int N> static inline void logistic(v *t) {
    v f[N], e[N];
    EACH (i, N) t[i] = clamped(t[i]);
    EACH (i, N) f[i] = fraction(t[i]);
    EACH (i, N) e[i] = 0.013534170629939307f * f[i] + 0.052011463252466826f;
    EACH (i, N) e[i] = e[i] * f[i] + 0.24144274898177448f;
    EACH (i, N) e[i] = e[i] * f[i] + 0.6930038380583078f;
    EACH (i, N) e[i] = e[i] * f[i] + 1.0000025930258236f;
    EACH (i, N) e[i] = scaled(e[i], t[i]) + 1;
    EACH (i, N) f[i] = estimate(e[i]);
    EACH (i, N) t[i] = f[i] * (2 - e[i] * f[i]);
}

// tanh z = 2 s - 1 with s = 1 / (1 + 2^(SCALE z)); its derivative is 4 (s - s s).
constexpr float SCALE = -2 * 1.44269504f;

// Sums over rows of a net's gradient, with everything left out that rows have in common.
template <int HIDDEN> struct Sums { v d, loss, p[HIDDEN], q[HIDDEN], x[HIDDEN]; };

// The gradient of the mean of squares over `rows`; returns that mean. SQUASHED: tanh on the output
// as well, and y is (1 + target) / 2. BLOCK: vectors of rows that go through together.
template <int HIDDEN, bool SQUASHED, int BLOCK>
static inline v differentiate(const v *p, const v *x, const v *y, int blocks, int rows, v *g) {
    constexpr float OUT = SQUASHED ? SCALE : 1;
    const v *w2 = p + 2 * HIDDEN;
    v u[HIDDEN], c[HIDDEN], a[HIDDEN], base = p[3 * HIDDEN];
    for (int k = 0; k < HIDDEN; k++) {
        u[k] = SCALE * p[k], c[k] = SCALE * p[HIDDEN + k];
        a[k] = (2 * OUT) * w2[k], base -= w2[k];
    }
    base *= OUT;
    Sums<HIDDEN> sums{};
    for (int block = 0; block < blocks; block++, x += BLOCK, y += BLOCK) {
        v s[HIDDEN][BLOCK], out[BLOCK], dx[BLOCK];
        EACH (r, BLOCK) out[r] = base;
#pragma GCC unroll 1
        for (int k = 0; k < HIDDEN; k++) {
            v t[BLOCK];
            EACH (r, BLOCK) t[r] = u[k] * x[r] + c[k];
            logistic<BLOCK>(t);
            EACH (r, BLOCK) s[k][r] = t[r], out[r] += a[k] * t[r];
        }
        if (SQUASHED) logistic<BLOCK>(out);
        v d = sums.d, loss = sums.loss;
        EACH (r, BLOCK) {
            v error = out[r] - y[r];
            loss += error * error;
            if (SQUASHED) error *= out[r] - out[r] * out[r];
            d += error;
            out[r] = error, dx[r] = error * x[r];
        }
        sums.d = d, sums.loss = loss;
#pragma GCC unroll 1
        for (int k = 0; k < HIDDEN; k++) {
            v pk = sums.p[k], qk = sums.q[k], xk = sums.x[k];
            EACH (r, BLOCK) {
                v slope = s[k][r] - s[k][r] * s[k][r];
                pk += out[r] * s[k][r], qk += out[r] * slope, xk += dx[r] * slope;
            }
            sums.p[k] = pk, sums.q[k] = qk, sums.x[k] = xk;
        }
    }
    // 2 of the square's derivative; in SQUASHED 4 of tanh's, and 2 because an error is half of one.
    const float factor = (SQUASHED ? 16.0f : 2.0f) / rows;
    for (int k = 0; k < HIDDEN; k++) {
        v through = (4 * factor) * w2[k];
        g[k] = through * sums.x[k], g[HIDDEN + k] = through * sums.q[k];
        g[2 * HIDDEN + k] = factor * (2 * sums.p[k] - sums.d);
    }
    g[3 * HIDDEN] = factor * sums.d;
    return sums.loss * ((SQUASHED ? 4.0f : 1.0f) / rows);
}

// Lane i: the sum over the lanes of a[i]. By pairs: each level adds neighbours.
static inline v totals(const v *a) {
    v level[LANES];
    memcpy(level, a, sizeof level);
#pragma GCC unroll 32
    for (int count = LANES / 2; count; count /= 2)
        EACH (i, count) {
            v b = level[2 * i], c = level[2 * i + 1];
            level[i] = __builtin_shufflevector(b, c, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24,
                                               26, 28, 30) +
                       __builtin_shufflevector(b, c, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25,
                                               27, 29, 31);
        }
    return level[0];
}

static inline v root(v a) {
    EACH (i, LANES) a[i] = std::sqrt(a[i]);
    return a;
}

struct Task {
    int models, rows, steps;
    float rate;
    const float *parameters, *inputs, *targets;
    float *losses;
};

// 16 models from `first` on, their rows in a vector each; plain SGD.
template <int HIDDEN, int ROWS> void models_in_lanes(const Task &task, int first) {
    constexpr int NUMBERS = 3 * HIDDEN + 1;
    v p[NUMBERS], g[NUMBERS], x[ROWS], y[ROWS];
    for (int m = 0; m < LANES; m++) {
        for (int i = 0; i < NUMBERS; i++) p[i][m] = task.parameters[(first + m) * NUMBERS + i];
        for (int r = 0; r < ROWS; r++) {
            x[r][m] = task.inputs[(first + m) * ROWS + r];
            y[r][m] = task.targets[(first + m) * ROWS + r];
        }
    }
    for (int step = 0; step < task.steps; step++) {
        differentiate<HIDDEN, false, ROWS>(p, x, y, 1, ROWS, g);
        for (int i = 0; i < NUMBERS; i++) p[i] -= task.rate * g[i];
    }
    v loss = differentiate<HIDDEN, false, ROWS>(p, x, y, 1, ROWS, g);
    memcpy(task.losses + first, &loss, sizeof loss);
}

// One model, its rows in lanes; Adam. All of its parameters are one vector.
template <int HIDDEN, int BLOCK> void rows_in_lanes(const Task &task, int model) {
    constexpr int NUMBERS = 3 * HIDDEN + 1;
    static_assert(NUMBERS <= LANES);
    const int vectors = task.rows / LANES, blocks = vectors / BLOCK;
    std::vector<v> x(vectors), y(vectors);
    memcpy(x.data(), task.inputs + size_t(model) * task.rows, task.rows * sizeof(float));
    memcpy(y.data(), task.targets + size_t(model) * task.rows, task.rows * sizeof(float));
    for (v &value : y) value = (1 + value) / 2;
    v p{}, m{}, s{}, each[LANES]{}, g[LANES]{};
    memcpy(&p, task.parameters + model * NUMBERS, NUMBERS * sizeof(float));
    double b1 = 1, b2 = 1;
    for (int step = 0;; step++) {
        for (int i = 0; i < NUMBERS; i++) each[i] = all(p[i]);
        v loss = differentiate<HIDDEN, true, BLOCK>(each, x.data(), y.data(), blocks, task.rows, g);
        if (step == task.steps) {
            float sum = 0;
            for (int i = 0; i < LANES; i++) sum += loss[i];
            task.losses[model] = sum;
            return;
        }
        v total = totals(g);
        b1 *= 0.9, b2 *= 0.999;
        m += 0.1f * (total - m);
        s = 0.999f * s + 0.001f * total * total;
        p -= float(task.rate / (1 - b1)) * m / (root(s) * float(1 / std::sqrt(1 - b2)) + 1e-8f);
    }
}

int main(int, char **arguments) {
    constexpr int ROWS = 9, BLOCK = 10, SGD_HIDDEN = 13, ADAM_HIDDEN = 5;
    const bool is_sine = !strcmp(arguments[1], "sine");
    const int numbers = 3 * (is_sine ? ADAM_HIDDEN : SGD_HIDDEN) + 1;
    Task task{};
    task.models = atoi(arguments[3]), task.rows = atoi(arguments[4]);
    task.steps = atoi(arguments[5]), task.rate = float(atof(arguments[6]));
    const int threads = atoi(arguments[7]);
    if (is_sine ? task.rows % (BLOCK * LANES) : task.rows != ROWS || task.models % LANES) return 2;

    const size_t models = task.models, count = models * (numbers + 2 * task.rows);
    std::vector<float> values(count), losses(models);
    FILE *file = fopen(arguments[2], "rb");
    if (!file || fread(values.data(), sizeof(float), count, file) != count) return 3;
    fclose(file);
    task.parameters = values.data(), task.inputs = task.parameters + models * numbers;
    task.targets = task.inputs + models * task.rows, task.losses = losses.data();

    std::atomic<int> next{0};
    auto work = [&] {
        const int each = is_sine ? 1 : LANES;
        for (int i; (i = next.fetch_add(each)) < task.models;)
            if (is_sine)
                rows_in_lanes<ADAM_HIDDEN, BLOCK>(task, i);
            else
                models_in_lanes<SGD_HIDDEN, ROWS>(task, i);
    };
    const auto began = std::chrono::steady_clock::now();
    std::vector<std::thread> pool;
    for (int i = 0; i < threads; i++) pool.emplace_back(work);
    for (auto &thread : pool) thread.join();
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - began;
    printf("%.9g\n", seconds.count() / task.steps / task.models);
    for (float loss : losses) printf("%.9g\n", loss);
}
